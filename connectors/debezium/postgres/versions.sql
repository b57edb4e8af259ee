-- Versions of aggregates, given by the database to rows that come without one. Run after outbox.sql
-- (and split.sql), as the owner of the database; safe to run again.
--
-- A service that has a version of its own, such as the one of its optimistic lock, writes that into
-- the row, and needs nothing of this. Otherwise the trigger counts. It locks the aggregate's counter
-- until the transaction ends, so that two transactions of one aggregate commit in the order of their
-- versions; without that lock the later number may be committed first. Both ways are not to be mixed
-- within an aggregate.

create table if not exists public.aggregate_version (
    aggregate_type text   not null,
    aggregate_id   text   not null,
    version        bigint not null,
    primary key (aggregate_type, aggregate_id)
);

-- By the rights of its owner: who writes the outbox need not be able to change the counters.
create or replace function public.next_aggregate_version() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into public.aggregate_version as counted (aggregate_type, aggregate_id, version)
        values (new.aggregate_type, new.aggregate_id, 1)
        on conflict (aggregate_type, aggregate_id) do update set version = counted.version + 1
        returning counted.version into new.version;
    return new;
end $$;

create or replace trigger number_row before insert on public.points_outbox
    for each row when (new.version is null) execute function public.next_aggregate_version();

do $$
begin
    if to_regclass('public.points_batch_outbox') is not null then
        create or replace trigger number_row before insert on public.points_batch_outbox
            for each row when (new.version is null)
            execute function public.next_aggregate_version();
    end if;
end $$;
