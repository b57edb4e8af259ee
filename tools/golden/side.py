"""One database with its connectors: made, filled, captured, and taken away again."""

import base64
import json
import struct
import sys
import time
from pathlib import Path

from native import connector, wire

from . import kafka

DATABASE = "readmill_types"
ROOT = Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "schemas/golden/types"
WAIT_S = 120


class Side:
    """One database with its connectors."""

    def __init__(self, name, columns, modes, known):
        self.name, self.columns, self.modes, self.known = name, columns, modes, known

    def say(self, what):
        print(f"{self.name}: {what}", file=sys.stderr)

    def prefix(self, mode):
        return f"types-{self.name}-{mode}"

    def topic(self, mode, table):
        return f"{self.prefix(mode)}.{self.space}.{table}"

    def config(self, mode):
        known = {
            **self.known, "NAME": self.prefix(mode), "TOPIC_PREFIX": self.prefix(mode),
            "DATABASE": DATABASE, "PARTITIONS": "1", "HEARTBEAT_MS": "0",
            "SLOT": f"readmill_types_{mode}", "PUBLICATION": "readmill_types",
            "SERVER_ID": str(5470 + list(self.modes).index(mode)),
            "TABLES": ",".join(f"{self.space}.{table}" for table in self.tables),
        }
        config = connector.read(ROOT / f"connectors/debezium/{self.name}/outbox.json", known)
        config = config["config"]
        config.pop("message.key.columns")
        config.pop("heartbeat.action.query", None)
        config["event.converting.failure.handling.mode"] = "warn"
        return {**config, **self.modes[mode]}

    def ddl(self):
        """Two tables of all columns, nullable and not."""
        for table, null in (("kinds", ""), ("required", " not null")):
            lines = [f"{self.quoted(name)} {kind}{null and self.required(kind)}"
                     for name, kind, _ in self.columns.COLUMNS]
            yield f"create table {table} (id int primary key, {', '.join(lines)});"

    def rows(self, first, table="kinds"):
        """The rows' statements: row 0 has nulls, row n each column's nth value."""
        count = 1 + max(len(values) for _, _, values in self.columns.COLUMNS)
        for row in range(count) if table == "kinds" else [0]:
            values = [self.value(column, row, table) for column in self.columns.COLUMNS]
            yield f"insert into {table} values ({first + row}, {', '.join(values)});"

    def value(self, column, row, table):
        _, kind, values = column
        if table == "required":
            return self.columns.literal(kind, values[0])
        found = values[row - 1] if 0 < row <= len(values) else None
        return self.columns.literal(kind, found)

    def oracle(self, table):
        """What the database itself says of each row, as text."""
        columns = [f"{self.columns.as_text(name, kind)} as {self.quoted(name)}"
                   for name, kind, _ in self.columns.COLUMNS]
        return self.ask_rows(table, columns)

    def capture(self):
        self.clean()
        try:
            self.prepare()
            inserts = [*self.rows(100), *self.rows(100, "required")]
            self.run("\n".join(inserts))
            for mode in self.modes:
                self.start(mode)
            rows = len(inserts)
            self.await_records(rows)
            streamed = [*self.rows(200), *self.rows(200, "required")]
            self.run("\n".join(streamed))
            expected = rows + len(streamed) + self.more()
            self.await_records(expected)
            texts = {table: self.oracle(table) for table in ("kinds", "required")}
            for mode in self.modes:
                self.write(mode, texts)
        finally:
            self.clean()

    def start(self, mode):
        url = f"{self.known['CONNECT_URL']}/connectors/{self.prefix(mode)}/config"
        status, answer = connector.put(url, self.config(mode))
        if status >= 400:
            raise SystemExit(f"Connect refused {self.prefix(mode)}: {answer}")
        self.say(f"{mode} started")

    def records(self, mode):
        broker = self.known["KAFKA_BROKERS"]
        return [(table, *record) for table in self.tables
                for record in kafka.records(broker, self.topic(mode, table))]

    def await_records(self, expected):
        until, counts = time.monotonic() + WAIT_S, {}
        while time.monotonic() < until:
            counts = {mode: len(self.records(mode)) for mode in self.modes}
            if all(count >= expected for count in counts.values()):
                return
            for mode in self.modes:
                self.refuse_failed(mode)
            time.sleep(1)
        self.say(f"waited for {expected} records, there are {counts}")

    def refuse_failed(self, mode):
        url = f"{self.known['CONNECT_URL']}/connectors/{self.prefix(mode)}/status"
        status, answer = wire.http("GET", url)
        for part in answer.get("tasks", []) if status == 200 else []:
            if part["state"] == "FAILED":
                why = part["trace"].rsplit("Caused by: ", 1)[-1].split("\n\tat ")[0]
                if "NoViable" in why:
                    why = part["trace"].split("no viable alternative", 1)[1].split("\n\tat ")[0]
                raise SystemExit(f"{self.prefix(mode)} failed: {why[-600:]}")

    def write(self, mode, texts):
        lines, ids, seen = [], {}, []
        for table, key, value in self.records(mode):
            if value is None:
                continue
            number = struct.unpack(">I", value[1:5])[0]
            ids[str(number)] = None
            row = self.row_id(value)
            seen.append(table)
            if table == "toasted" and seen.count(table) == 1:
                continue  # the insert that holds the large values
            line = {"table": table, "id": row, "key": base64.b64encode(key).decode(),
                    "value": base64.b64encode(value).decode()}
            line["text"] = texts.get(table, {}).get(row)
            lines.append(line)
        for number in ids:
            ids[number] = wire.http(
                "GET", f"{self.known['REGISTRY_URL']}/schemas/ids/{number}")[1]["schema"]
        head = {"database": self.name, "version": self.version(), "modes": self.modes[mode],
                "schemas": ids}
        path = OUT / f"{self.name}.{mode}.jsonl"
        with open(path, "w", encoding="utf-8") as out:
            for line in [head, *lines]:
                out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        self.say(f"{path.name}: {len(lines)} records")

    def row_id(self, value):
        """The row's id: the first column of `after`, right behind `before`'s null."""
        assert value[5] == 0 and value[6] == 2, "a record without before and with after"
        return kafka.varint(value, 7)[0]

    def clean(self):
        connect = self.known["CONNECT_URL"]
        for mode in self.modes:
            wire.http("DELETE", f"{connect}/connectors/{self.prefix(mode)}/offsets")
            wire.http("PUT", f"{connect}/connectors/{self.prefix(mode)}/stop")
        time.sleep(1)
        for mode in self.modes:
            wire.http("DELETE", f"{connect}/connectors/{self.prefix(mode)}/offsets")
            wire.http("DELETE", f"{connect}/connectors/{self.prefix(mode)}")
        self.drop()
        topics = [self.topic(mode, table) for mode in self.modes for table in self.tables]
        topics += [f"{self.prefix(mode)}.schema-history" for mode in self.modes]
        kafka.delete_topics(self.known["KAFKA_BROKERS"], topics)
