-- The outbox tables of the shop in MySQL, the same shape as MariaDB's (../mariadb/outbox.sql) and
-- PostgreSQL's (../postgres/outbox.sql explains it). Not tried: no MySQL is in the stack. Run in the
-- service's own database; safe to run again. The server needs binlog_format=ROW,
-- binlog_row_image=FULL and binlog_row_value_options without PARTIAL_JSON.
--
-- Debezium's account, once, as an administrator:
--   create user debezium@'%' identified by '…';
--   grant reload, replication slave, replication client on *.* to debezium@'%';
--   grant select, lock tables, show view on shop.* to debezium@'%';

create table if not exists points_outbox (
    id             char(36)     not null primary key,
    aggregate_type varchar(64)  not null,
    aggregate_id   varchar(128) not null,
    version        bigint       null,
    type           varchar(128) not null,
    payload        longblob     not null,
    created_at     timestamp(6) not null default current_timestamp(6)
) engine = InnoDB default charset = utf8mb4 collate = utf8mb4_bin;

create table if not exists deliveries_outbox_a like points_outbox;
create table if not exists deliveries_outbox_b like points_outbox;
create table if not exists deliveries_outbox_c like points_outbox;
