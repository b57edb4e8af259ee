-- An outbox in one partition a day, which is cleaned by dropping whole days: no delete goes through
-- the binary log. Instead of the points_outbox of outbox.sql; for MariaDB and MySQL. What is dropped
-- and not read yet is in the binary log, so that is to be kept for as long.

create table if not exists points_outbox (
    id             char(36)     not null,
    aggregate_type varchar(64)  not null,
    aggregate_id   varchar(128) not null,
    version        bigint       null,
    type           varchar(128) not null,
    payload        longblob     not null,
    created_at     datetime(6)  not null default current_timestamp(6),
    -- A partitioned table's key has the column that it is partitioned by.
    primary key (id, created_at)
) engine = InnoDB default charset = utf8mb4 collate = utf8mb4_bin
partition by range columns (created_at) (
    -- Where rows go until a day has a partition.
    partition other values less than (maxvalue)
);

-- The day's partition, made before the day; then the oldest is dropped:
--   alter table points_outbox reorganize partition other into (
--       partition d20261201 values less than ('2026-12-02'),
--       partition other values less than (maxvalue));
--   alter table points_outbox drop partition d20261124;
