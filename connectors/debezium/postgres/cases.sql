-- The outbox tables of the other bundled read models, beside those of outbox.sql: run that first, as
-- the owner of the database; safe to run again. Then name all tables in TABLES of outbox.json.

create table if not exists public.deals_outbox            (like public.points_outbox including all);
create table if not exists public.products_outbox         (like public.points_outbox including all);
create table if not exists public.chats_outbox            (like public.points_outbox including all);
create table if not exists public.chat_reads_outbox       (like public.points_outbox including all);
create table if not exists public.reviews_outbox          (like public.points_outbox including all);
create table if not exists public.review_products_outbox  (like public.points_outbox including all);
create table if not exists public.stock_history_outbox    (like public.points_outbox including all);
create table if not exists public.stock_offers_outbox     (like public.points_outbox including all);
create table if not exists public.holdings_outbox         (like public.points_outbox including all);
create table if not exists public.holdings_import_outbox  (like public.points_outbox including all);
create table if not exists public.store_orders_outbox     (like public.points_outbox including all);
create table if not exists public.api_calls_outbox        (like public.points_outbox including all);
create table if not exists public.orders_outbox           (like public.points_outbox including all);
create table if not exists public.payments_outbox         (like public.points_outbox including all);
create table if not exists public.order_deliveries_outbox (like public.points_outbox including all);
create table if not exists public.stock_decisions_outbox  (like public.points_outbox including all);
create table if not exists public.members_outbox          (like public.points_outbox including all);
create table if not exists public.tickets_outbox          (like public.points_outbox including all);

-- Without it a delete could not be keyed by aggregate_id.
alter table public.deals_outbox            replica identity full;
alter table public.products_outbox         replica identity full;
alter table public.chats_outbox            replica identity full;
alter table public.chat_reads_outbox       replica identity full;
alter table public.reviews_outbox          replica identity full;
alter table public.review_products_outbox  replica identity full;
alter table public.stock_history_outbox    replica identity full;
alter table public.stock_offers_outbox     replica identity full;
alter table public.holdings_outbox         replica identity full;
alter table public.holdings_import_outbox  replica identity full;
alter table public.store_orders_outbox     replica identity full;
alter table public.api_calls_outbox        replica identity full;
alter table public.orders_outbox           replica identity full;
alter table public.payments_outbox         replica identity full;
alter table public.order_deliveries_outbox replica identity full;
alter table public.stock_decisions_outbox  replica identity full;
alter table public.members_outbox          replica identity full;
alter table public.tickets_outbox          replica identity full;

grant select on
    public.deals_outbox,
    public.products_outbox,
    public.chats_outbox,
    public.chat_reads_outbox,
    public.reviews_outbox,
    public.review_products_outbox,
    public.stock_history_outbox,
    public.stock_offers_outbox,
    public.holdings_outbox,
    public.holdings_import_outbox,
    public.store_orders_outbox,
    public.api_calls_outbox,
    public.orders_outbox,
    public.payments_outbox,
    public.order_deliveries_outbox,
    public.stock_decisions_outbox,
    public.members_outbox,
    public.tickets_outbox
    to debezium;

alter publication readmill_outbox set table
    public.points_outbox,
    public.deliveries_outbox_a,
    public.deliveries_outbox_b,
    public.deliveries_outbox_c,
    public.deals_outbox,
    public.products_outbox,
    public.chats_outbox,
    public.chat_reads_outbox,
    public.reviews_outbox,
    public.review_products_outbox,
    public.stock_history_outbox,
    public.stock_offers_outbox,
    public.holdings_outbox,
    public.holdings_import_outbox,
    public.store_orders_outbox,
    public.api_calls_outbox,
    public.orders_outbox,
    public.payments_outbox,
    public.order_deliveries_outbox,
    public.stock_decisions_outbox,
    public.members_outbox,
    public.tickets_outbox,
    public.debezium_heartbeat;
