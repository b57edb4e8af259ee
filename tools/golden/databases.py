"""PostgreSQL and MariaDB as sides of a capture."""

import json
import os
import subprocess
import time

from . import postgres
from .side import DATABASE, Side


class Postgres(Side):
    space = "public"
    tables = ("kinds", "required", "toasted")

    def quoted(self, name):
        return f'"{name}"'

    def required(self, kind):
        return " not null"

    def psql(self, text, database=DATABASE, must=True):
        url = self.known["POSTGRES_ADMIN_URL"].rsplit("/", 1)[0] + "/" + database
        done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", url], input=text,
                              text=True, capture_output=True)
        if must and done.returncode:
            raise SystemExit(f"psql: {done.stderr}")
        return done.stdout

    def run(self, text):
        self.psql(text)

    def prepare(self):
        self.psql(f"create database {DATABASE}", "postgres")
        toasted = ", ".join(f'"{name}" {kind}' for name, kind, _ in postgres.TOASTED)
        external = "; ".join(f'alter table toasted alter "{name}" set storage external'
                             for name, _, _ in postgres.TOASTED)
        self.psql(f"""{postgres.PRELUDE} {" ".join(self.ddl())}
            create table toasted (id int primary key, n int, {toasted});
            {external};
            alter table toasted set (toast_tuple_target = 128);
            create publication readmill_types for all tables;
            grant connect on database {DATABASE} to debezium;
            grant usage on schema public to debezium;
            grant select on all tables in schema public to debezium;""")

    def more(self):
        """A row whose large values two updates leave alone; how many records that makes."""
        values = ", ".join(expression for _, _, expression in postgres.TOASTED)
        self.psql(f"""insert into toasted values (100, 0, {values});
            update toasted set n = 1; update toasted set n = 2;""")
        return 3

    def ask_rows(self, table, columns):
        rows = self.psql(f"select row_to_json(t) from (select id as \"#\", {', '.join(columns)} "
                         f"from {table} order by id) t")
        rows = [json.loads(row) for row in rows.splitlines()]
        return {row.pop("#"): row for row in rows}

    def version(self):
        return self.psql("show server_version").split()[0]

    def drop(self):
        for _ in range(40):
            left = self.psql(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots where "
                "slot_name like 'readmill_types_%' and not active; select count(*) from "
                "pg_replication_slots where slot_name like 'readmill_types_%'", "postgres", False)
            if left.split()[-1:] == ["0"]:
                break
            time.sleep(0.5)
        self.psql(f"drop database if exists {DATABASE} with (force)", "postgres")


class MariaDb(Side):
    space = DATABASE
    tables = ("kinds", "required")

    def quoted(self, name):
        return f"`{name}`"

    def required(self, kind):
        return "" if kind.endswith(" null") else " not null"

    def client(self, text, database=DATABASE):
        url = self.known["MARIADB_ADMIN_URL"].split("//")[1]
        user, rest = url.split(":", 1)
        secret, rest = rest.split("@", 1)
        host, port = rest.split("/")[0].split(":")
        done = subprocess.run(
            ["mariadb", "--no-defaults", "-h", host, "-P", port, "--protocol=tcp", "-u", user,
             "--default-character-set=utf8mb4", "--batch", "--raw", "-N", database],
            input="set sql_mode='';\n" + text, text=True, capture_output=True,
            env={**os.environ, "MYSQL_PWD": secret})
        if done.returncode:
            raise SystemExit(f"mariadb: {done.stderr}")
        return done.stdout

    def run(self, text):
        self.client(text)

    def prepare(self):
        self.client(f"create database {DATABASE}; grant select, lock tables, show view on "
                    f"{DATABASE}.* to debezium@'%'", "mysql")
        self.client(" ".join(self.ddl()))

    def more(self):
        return 0

    def ask_rows(self, table, columns):
        pairs = ", ".join(f"'{column.rsplit(' as ', 1)[1][1:-1]}', {column.rsplit(' as ', 1)[0]}"
                          for column in columns)
        rows = self.client(f"select json_object('#', id, {pairs}) from {table} order by id")
        rows = [json.loads(row) for row in rows.splitlines()]
        return {row.pop("#"): row for row in rows}

    def version(self):
        return self.client("select version()").split("-")[0]

    def drop(self):
        self.client(f"drop database if exists {DATABASE}; delete from mysql.db where "
                    f"db = '{DATABASE}'; flush privileges", "mysql")
