"""PostgreSQL from Debian with logical decoding, the database shop and its roles and outbox
tables."""

import os
import signal
import subprocess

from .. import debian, places, processes
from ..processes import identity
from ..service import Service
from ..say import StackError


class Postgres(Service):
    name = "postgres"
    ports = ("POSTGRES_PORT",)
    accounts = ("postgres",)
    first_signal = signal.SIGINT  # the fast shutdown; SIGTERM would wait for every client to leave

    def packages(self):
        return [
            (
                "postgresql",
                self.binary("postgres") is not None and self.binary("initdb") is not None,
            )
        ]

    def binary(self, name):
        return debian.program(
            name, f"/usr/lib/postgresql/{places.versions()['POSTGRES_VERSION']}/bin"
        )

    def prepare(self, ports):
        (self.folder / "postgres.conf").write_text((places.CONFIG / "postgres.conf").read_text())
        if (self.data / "PG_VERSION").exists():
            self.forget_ghost()
            return
        secret = self.folder / "superuser"
        secret.write_text(self.password)
        self.give(secret)
        with open(self.log, "ab") as log:
            done = subprocess.run(
                [
                    self.binary("initdb"),
                    "-D",
                    self.data,
                    "-U",
                    "postgres",
                    "-E",
                    "UTF8",
                    "--locale=C.UTF-8",
                    "--auth=scram-sha-256",
                    f"--pwfile={secret}",
                    "--no-sync",
                    "--no-instructions",
                ],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                timeout=120,
                **identity(self.user),
            )
        if done.returncode != 0:
            raise self.fault("could not make its data folder")

    def forget_ghost(self):
        """A killed server may still be on the process list, where PostgreSQL would take it for a
        running one."""
        lock = self.data / "postmaster.pid"
        if lock.exists() and processes.is_ghost(int(lock.read_text().split()[0])):
            lock.unlink()

    def command(self, ports):
        return [
            self.binary("postgres"),
            "-D",
            self.data,
            "-c",
            f"config_file={self.folder}/postgres.conf",
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"port={ports['POSTGRES_PORT']}",
            "-c",
            "unix_socket_directories=",
        ]

    def healthy(self, ports):
        return self.psql(ports, "postgres", "postgres", "select 1").returncode == 0

    def roles(self):
        return places.filled("postgres-roles.sql")

    def set_up(self, ports):
        there = self.psql(
            ports, "postgres", "postgres", "select from pg_database where datname = 'shop'", "-A"
        )
        if "(0 rows)" in there.stdout:
            self.run_sql(ports, "postgres", "postgres", self.roles())
        self.run_sql(
            ports,
            "app",
            "shop",
            (places.ROOT / "connectors/debezium/postgres/outbox.sql").read_text(),
        )

    def run_sql(self, ports, user, database, text):
        done = self.psql(ports, user, database, None, stdin=text)
        if done.returncode != 0:
            raise StackError(
                f"postgres refused its set-up: {done.stderr.strip()}",
                "`compose/stack down` and `up` begin afresh",
            )

    def psql(self, ports, user, database, query, *more, stdin=None):
        ask = ["-c", query] if query else []
        environment = {
            **os.environ,
            "PGPASSWORD": self.password_of(user),
            "PGCONNECT_TIMEOUT": "5",
            "PGOPTIONS": "",
        }
        return subprocess.run(
            [
                self.binary("psql"),
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
                "-p",
                str(ports["POSTGRES_PORT"]),
                "-U",
                user,
                "-d",
                database,
                *more,
                *ask,
            ],
            text=True,
            env=environment,
            input=stdin or "",
            capture_output=True,
            timeout=30,
            cwd="/",
        )

    @property
    def password(self):
        return places.versions()["STACK_PASSWORD"]

    def password_of(self, user):
        return self.password

    def addresses(self, ports):
        host = f"127.0.0.1:{ports['POSTGRES_PORT']}"
        return {
            "POSTGRES_URL": f"postgresql://app:{self.password}@{host}/shop",
            "POSTGRES_ADMIN_URL": f"postgresql://postgres:{self.password}@{host}/shop",
            "POSTGRES_HOST": "127.0.0.1",
        }

    def version(self):
        return debian.line([self.binary("postgres"), "--version"], "POSTGRES_VERSION")
