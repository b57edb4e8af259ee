-- The throw-away roles and the database of the stack, run once as the superuser; ${STACK_PASSWORD}
-- is filled in.
create role app login password '${STACK_PASSWORD}';
create role debezium login replication password '${STACK_PASSWORD}';
create database shop owner app;
revoke connect on database shop from public;
grant connect on database shop to debezium;
