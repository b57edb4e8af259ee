-- The throw-away accounts and the database of the stack, run as root; ${STACK_PASSWORD} is filled
-- in.
create database if not exists shop;
create user if not exists app@'%' identified by '${STACK_PASSWORD}';
grant all on shop.* to app@'%';
create user if not exists debezium@'%' identified by '${STACK_PASSWORD}';
grant reload, replication slave, replication client on *.* to debezium@'%';
grant select, lock tables, show view on shop.* to debezium@'%';
