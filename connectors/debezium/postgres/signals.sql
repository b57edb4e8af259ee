-- What a connector needs that is told to read tables again while it streams (tables.json): a
-- table that it is told by, and that it marks the ends of each read chunk in. Run as the owner of the
-- database, after its tables and the publication are there; safe to run again.
--
-- To read a table again, from now on, while all else goes on:
--   insert into public.debezium_signal (id, type, data) values (gen_random_uuid()::text,
--       'execute-snapshot', '{"type": "incremental", "data-collections": ["public.coupon"]}');
-- 'stop-snapshot' with the same data ends it; 'pause-snapshot' and 'resume-snapshot' are what they
-- say.
--
-- Not for an outbox that is keyed by its aggregate (message.key.columns): of the rows of a chunk that
-- have one key, Debezium sends the last alone. An outbox is read again by another connector, with a
-- prefix and a slot of its own and snapshot.mode=initial.

create table if not exists public.debezium_signal (
    id   varchar(64) not null primary key,
    type varchar(32) not null,
    data text
);

grant select, insert, update, delete on public.debezium_signal to debezium;

do $$
begin
    if exists (select from pg_publication where pubname = 'readmill_tables')
        and not exists (select from pg_publication_tables where pubname = 'readmill_tables'
            and schemaname = 'public' and tablename = 'debezium_signal') then
        alter publication readmill_tables add table public.debezium_signal;
    end if;
end $$;
