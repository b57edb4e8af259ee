"""Tables as a shop has them: what becomes of a row, under each replica identity and flattened."""

import base64
import json
import struct

from native import wire

from . import postgres
from .databases import DATABASE, MariaDb, Postgres
from .side import ROOT

OUT = ROOT / "schemas/golden/rows"
# Beyond 2 kB, PostgreSQL moves a value out of its row.
BIG = "x" * 2100
FLAT = {
    "transforms": "flatten",
    "transforms.flatten.type": "io.debezium.transforms.ExtractNewRecordState",
    "transforms.flatten.delete.tombstone.handling.mode": "rewrite",
    "transforms.flatten.add.fields": "op,source.ts_ms,source.snapshot,",
}
MODES = {
    "precise": {},
    "text": {"decimal.handling.mode": "string", "time.precision.mode": "isostring"},
    "double": {"decimal.handling.mode": "double", "time.precision.mode": "connect"},
}


def modes(*source):
    added = FLAT["transforms.flatten.add.fields"] + ",".join(f"source.{name}" for name in source)
    return {**MODES, "flat": {**FLAT, "transforms.flatten.add.fields": added}}


POSTGRES_MODES = modes("lsn", "sequence")
MARIADB_MODES = modes("server_id", "file", "pos", "row")


def coupon(table, stamp, now):
    return f"""create table {table} (id bigint primary key, code varchar(40) not null,
        member_id varchar(40), status varchar(20) not null default 'issued',
        discount numeric(12,2) not null default 1.50, valid_until {stamp} not null,
        note text, updated_at {stamp} not null default {now},
        uses int not null default 7, shop varchar(9) not null);"""


def history(stamp):
    return f"""create table coupon_history (id bigint primary key, coupon_id bigint not null,
        action varchar(20) not null, at {stamp} not null);"""


def insert(table, key, note="null", zone="+00"):
    return f"""insert into {table} values ({key}, 'C{key}', 'm1', 'issued', 10.50,
        '2027-01-01 00:00:00.123456{zone}', {note}, '2026-11-21 03:20:36.5{zone}', 0, '');"""


def life(table, zone, big):
    """One row from its creation to its end; each statement makes the records behind it."""
    return [
        insert(table, 10, f"'{big}'", zone),  # c
        f"update {table} set status = 'used', discount = -0.01 where id = 10;",  # u
        f"update {table} set note = null, member_id = null where id = 10;",  # u
        f"update {table} set note = '{big}' where id = 10;",  # u
        f"update {table} set id = 11 where id = 10;",  # d, c
        f"delete from {table} where id = 11;",  # d
    ]


class Life:
    """What both databases have in common."""

    def prefix(self, mode):
        return f"rows-{self.name}-{mode}"

    def records(self, mode):
        """Without tombstones."""
        return [record for record in super().records(mode) if record[2] is not None]

    def write(self, mode, _texts):
        lines, ids = [], {}
        for table, key, value in self.records(mode):
            number = str(struct.unpack(">I", value[1:5])[0])
            url = f"{self.known['REGISTRY_URL']}/schemas/ids/{number}"
            ids[number] = ids.get(number) or wire.http("GET", url)[1]["schema"]
            key, value = (base64.b64encode(part).decode() for part in (key, value))
            lines.append({"table": table, "key": key, "value": value})
        head = {"database": self.name, "modes": self.modes[mode], "schemas": ids}
        OUT.mkdir(parents=True, exist_ok=True)
        path = OUT / f"{self.name}.{mode}.jsonl"
        with open(path, "w", encoding="utf-8") as out:
            for line in [head, *lines]:
                out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        self.say(f"{path.name}: {len(lines)} records")

    def capture(self):
        self.clean()
        try:
            self.prepare()
            self.run("\n".join(insert(table, 1, "'short'", self.zone) for table in self.coupons))
            for mode in self.modes:
                self.start(mode)
            self.await_records(len(self.coupons))
            for table in self.coupons:
                self.run("\n".join(life(table, self.zone, self.big)))
            self.run(f"""insert into coupon_history values (5, 10, 'issue', '2026-11-21 03:20:36');
                delete from coupon_history;""")
            self.await_records(len(self.coupons) * 8 + 2 + self.more())
            for mode in self.modes:
                self.write(mode, {})
        finally:
            self.clean()


class PostgresRows(Life, Postgres):
    tables = ("coupon", "coupon_full", "coupon_history", "blank")
    coupons = ("coupon", "coupon_full")
    zone, big = "+00", BIG

    def prepare(self):
        self.psql(f"create database {DATABASE}", "postgres")
        blank = [f'"{name}" {kind} not null' for name, kind, _ in postgres.COLUMNS]
        stamp = "timestamptz"
        external = "".join(f"alter table {table} alter note set storage external;"
                           f"alter table {table} set (toast_tuple_target = 128);"
                           for table in self.coupons)
        self.psql(f"""{postgres.PRELUDE}
            {"".join(coupon(table, stamp, "now()") for table in self.coupons)}
            {history("timestamp")} {external}
            alter table coupon_full replica identity full;
            create table blank (id int primary key, {", ".join(blank)});
            create publication readmill_types for all tables;
            grant connect on database {DATABASE} to debezium;
            grant usage on schema public to debezium;
            grant select on all tables in schema public to debezium;""")

    def more(self):
        """A row of every type, none of them null, of which a deletion tells the key alone."""
        values = [postgres.literal(kind, values[0]) for _, kind, values in postgres.COLUMNS]
        self.psql(f"insert into blank values (1, {', '.join(values)}); delete from blank;")
        return 2


class MariaDbRows(Life, MariaDb):
    tables = ("coupon", "coupon_history")
    coupons = ("coupon",)
    zone, big = "", "long"

    def prepare(self):
        self.client(f"create database {DATABASE}; grant select, lock tables, show view on "
                    f"{DATABASE}.* to debezium@'%'", "mysql")
        self.client(coupon("coupon", "timestamp(6)", "now(6)") + history("datetime(3)"))
