-- An outbox in one partition a day, which is cleaned by dropping whole days: no row is deleted one by
-- one, nothing is left to vacuum, and no delete goes through the log. Instead of a points_outbox of
-- outbox.sql, not beside it. Run as the owner of the database; safe to run again.
--
-- The connector sees one table, since the publication publishes by the root. What it has not read yet
-- is in PostgreSQL's log, not in the table: dropping a day loses none of it. A snapshot that is taken
-- later does not find it, of course.

create table if not exists public.points_outbox (
    id             uuid        not null,
    aggregate_type text        not null,
    aggregate_id   text        not null,
    version        bigint,
    type           text        not null,
    payload        bytea       not null,
    created_at     timestamptz not null default now(),
    -- A partitioned table's key has the column that it is partitioned by.
    primary key (id, created_at)
) partition by range (created_at);

-- Where a row goes for whose day nobody has made a partition: nothing fails on it.
create table if not exists public.points_outbox_other partition of public.points_outbox default;

-- Makes the partitions of the coming days, and drops those that are older. Call it daily.
create or replace function public.turn_points_outbox(ahead integer, keep integer) returns void
    language plpgsql as $$
declare
    today date := (now() at time zone 'utc')::date;
    day   date;
    name  text;
begin
    for day in select today + n from generate_series(0, ahead) n loop
        name := 'points_outbox_' || to_char(day, 'YYYYMMDD');
        if to_regclass('public.' || name) is null then
            execute format('create table public.%I partition of public.points_outbox '
                'for values from (%L) to (%L)',
                name, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
        end if;
    end loop;
    for name in
        select part.relname from pg_inherits
            join pg_class part on part.oid = inhrelid
            where inhparent = 'public.points_outbox'::regclass
                and part.relname ~ '^points_outbox_\d{8}$'
                and part.relname < 'points_outbox_' || to_char(today - keep, 'YYYYMMDD')
    loop
        execute format('drop table public.%I', name);
    end loop;
end $$;

select public.turn_points_outbox(3, 7);

create table if not exists public.debezium_heartbeat (
    id   integer     not null primary key,
    beat timestamptz not null
);

grant usage on schema public to debezium;
grant select on public.points_outbox to debezium;
grant select, insert, update on public.debezium_heartbeat to debezium;

do $$
begin
    if not exists (select from pg_publication where pubname = 'readmill_outbox') then
        create publication readmill_outbox for table public.points_outbox, public.debezium_heartbeat
            with (publish = 'insert, update, delete, truncate', publish_via_partition_root = true);
    end if;
end $$;
