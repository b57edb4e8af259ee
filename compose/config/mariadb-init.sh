#!/bin/sh
# In Docker: the same accounts, database and outbox tables as natively, made when the data folder
# is.
set -eu
sed "s/\${STACK_PASSWORD}/$STACK_PASSWORD/" /stack/mariadb-roles.sql |
    mariadb -uroot -p"$STACK_PASSWORD"
mariadb -uapp -p"$STACK_PASSWORD" shop < /stack/outbox.sql
