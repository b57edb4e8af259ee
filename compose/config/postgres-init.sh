#!/bin/sh
# In Docker: the same roles, database and outbox tables as natively, made when the data folder is.
set -eu
sed "s/\${STACK_PASSWORD}/$STACK_PASSWORD/" /stack/postgres-roles.sql |
    psql -v ON_ERROR_STOP=1 -U postgres
psql -v ON_ERROR_STOP=1 -U app -d shop -f /stack/outbox.sql
