-- The outbox tables of the shop in PostgreSQL, what Debezium may do with them, and the publication
-- that it reads. Run as the owner of the database; safe to run again. The role `debezium` must
-- exist (LOGIN REPLICATION).
--
-- A service writes its change and its outbox row in ONE transaction; the row is the event. The
-- topic's key is aggregate_id (the connector's message.key.columns), so the events of one aggregate
-- keep their order.

create table if not exists public.points_outbox (
    -- Names the event: the same in every redelivery.
    id             uuid        not null primary key,
    -- What kind of thing changed, e.g. `member`.
    aggregate_type text        not null,
    -- Which one: the key of the topic, and what order is kept by.
    aggregate_id   text        not null,
    -- 1, 2, 3 … without a gap within an aggregate; null where the service keeps none.
    version        bigint,
    -- What happened, e.g. `PointsEarned`.
    type           text        not null,
    -- The event in Avro, Confluent-framed: magic 0, schema id in 4 bytes, body.
    payload        bytea       not null,
    created_at     timestamptz not null default now()
);

create table if not exists public.deliveries_outbox_a (like public.points_outbox including all);
create table if not exists public.deliveries_outbox_b (like public.points_outbox including all);
create table if not exists public.deliveries_outbox_c (like public.points_outbox including all);

-- Without it a delete carries the primary key alone, and the connector could not key it by
-- aggregate_id.
alter table public.points_outbox replica identity full;
alter table public.deliveries_outbox_a replica identity full;
alter table public.deliveries_outbox_b replica identity full;
alter table public.deliveries_outbox_c replica identity full;

-- Written by the connector now and then, so that its replication slot moves on, and PostgreSQL can
-- drop old WAL, also while nothing else in the publication changes.
create table if not exists public.debezium_heartbeat (
    id   integer     not null primary key,
    beat timestamptz not null
);

-- The least that Debezium needs: read for the snapshot, write its own heartbeat, nothing else.
grant usage on schema public to debezium;
grant select on public.points_outbox, public.deliveries_outbox_a, public.deliveries_outbox_b,
    public.deliveries_outbox_c to debezium;
grant select, insert, update on public.debezium_heartbeat to debezium;

-- Made here, by the tables' owner: a connector that makes its own needs rights over every table.
do $$
begin
    if not exists (select from pg_publication where pubname = 'readmill_outbox') then
        create publication readmill_outbox for table public.points_outbox,
            public.deliveries_outbox_a, public.deliveries_outbox_b, public.deliveries_outbox_c, public.debezium_heartbeat
            with (publish = 'insert, update, delete, truncate');
    end if;
end $$;
