-- Versions of aggregates, given by the database to rows that come without one; for MariaDB and MySQL.
-- Run after outbox.sql. ../postgres/versions.sql explains it: the counter's lock, which is held until
-- the transaction ends, makes the order of commits that of the versions.

create table if not exists aggregate_version (
    aggregate_type varchar(64)  not null,
    aggregate_id   varchar(128) not null,
    version        bigint       not null,
    primary key (aggregate_type, aggregate_id)
) engine = InnoDB default charset = utf8mb4 collate = utf8mb4_bin;

drop trigger if exists number_points_outbox;

delimiter //
create trigger number_points_outbox before insert on points_outbox for each row
begin
    if new.version is null then
        insert into aggregate_version (aggregate_type, aggregate_id, version)
            values (new.aggregate_type, new.aggregate_id, 1)
            on duplicate key update version = version + 1;
        set new.version = (select version from aggregate_version
            where aggregate_type = new.aggregate_type and aggregate_id = new.aggregate_id);
    end if;
end //
delimiter ;
