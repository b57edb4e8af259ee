-- An outbox that is split, so that what a batch job writes does not delay what customers do: a second
-- table with a slot and a publication of its own, for outbox_online.json and outbox_batch.json. Run
-- after outbox.sql, as the owner of the database; safe to run again.
--
-- An aggregate whose events go to both tables has ONE sequence of versions over both
-- (versions.sql numbers them so); the configuration of the read model says it:
--   versions_of = { "shop_batch.public.points_batch_outbox" = "shop_online.public.points_outbox" }

create table if not exists public.points_batch_outbox (like public.points_outbox including all);
alter table public.points_batch_outbox replica identity full;
grant select on public.points_batch_outbox to debezium;

do $$
begin
    if not exists (select from pg_publication where pubname = 'readmill_online') then
        create publication readmill_online for table public.points_outbox, public.debezium_heartbeat
            with (publish = 'insert, update, delete, truncate');
    end if;
    if not exists (select from pg_publication where pubname = 'readmill_batch') then
        create publication readmill_batch
            for table public.points_batch_outbox, public.debezium_heartbeat
            with (publish = 'insert, update, delete, truncate');
    end if;
end $$;
