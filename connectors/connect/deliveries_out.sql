-- Where the reactions of the model `deliveries` go: a row for each, under the id that repeats share.
create table deliveries_out (
    reaction_id text primary key,
    delivery_id text not null,
    order_no text not null,
    service text not null,
    region text not null,
    rider_id text,
    outcome text not null,
    created_at timestamptz,
    pickup_requested_at timestamptz,
    dispatched_at timestamptz,
    picked_up_at timestamptz,
    ended_at timestamptz
);
