"""MariaDB from Debian with a row binlog, the database shop and its accounts and outbox tables."""

import os
import subprocess

from .. import debian, places
from ..processes import identity
from ..service import Service
from ..say import StackError


class MariaDb(Service):
    name = "mariadb"
    ports = ("MARIADB_PORT",)
    accounts = ("mysql",)
    host = "127.0.0.1"

    def packages(self):
        return [
            (
                "mariadb-server",
                debian.program("mariadbd") is not None
                and debian.program("mariadb-install-db") is not None,
            )
        ]

    def prepare(self, ports):
        (self.folder / "mariadb.cnf").write_text((places.CONFIG / "mariadb.cnf").read_text())
        if (self.data / "mysql").exists():
            return
        with open(self.log, "ab") as log:
            done = subprocess.run(
                [
                    debian.program("mariadb-install-db"),
                    f"--defaults-file={self.folder}/mariadb.cnf",
                    f"--datadir={self.data}",
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                    "--skip-name-resolve",
                ],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                timeout=180,
                **identity(self.user),
            )
        if done.returncode != 0:
            raise self.fault("could not make its data folder")

    def command(self, ports):
        # The socket's path is relative to the data folder: absolute ones may grow past the 107
        # bytes allowed.
        return [
            debian.program("mariadbd"),
            f"--defaults-file={self.folder}/mariadb.cnf",
            f"--datadir={self.data}",
            f"--port={ports['MARIADB_PORT']}",
            "--bind-address=127.0.0.1",
            "--socket=mariadb.sock",
            "--pid-file=mariadb.pid",
        ]

    def healthy(self, ports):
        return any(
            self.client(ports, "root", secret, "select 1").returncode == 0
            for secret in self.secrets()
        )

    def secrets(self):
        return [places.versions()["STACK_PASSWORD"], ""]

    def password_of(self, user):
        return places.versions()["STACK_PASSWORD"]

    def roles(self):
        return places.filled("mariadb-roles.sql")

    def protection(self):
        """Words for the client that make it look at who answers."""
        return []

    def set_up(self, ports):
        secret = self.secrets()[0]
        if self.client(ports, "root", "", "select 1").returncode == 0:
            own = "".join(
                f"set password for root@'{host}' = password('{secret}');\n"
                for host in ("localhost", "127.0.0.1")
            )
            self.run_sql(ports, "root", "", self.roles() + own)
        self.run_sql(
            ports,
            "app",
            self.password_of("app"),
            "use shop;\n" + (places.ROOT / "connectors/debezium/mariadb/outbox.sql").read_text(),
        )

    def run_sql(self, ports, user, secret, text):
        done = self.client(ports, user, secret, None, text)
        if done.returncode != 0:
            raise StackError(
                f"mariadb refused its set-up: {done.stderr.strip()}",
                "`compose/stack down` and `up` begin afresh",
            )

    def client(self, ports, user, secret, query, text=""):
        ask = ["-e", query] if query else []
        return subprocess.run(
            [
                debian.program("mariadb"),
                "--no-defaults",
                "--connect-timeout=5",
                *self.protection(),
                "-h",
                self.host,
                "-P",
                str(ports["MARIADB_PORT"]),
                "--protocol=tcp",
                "-u",
                user,
                *ask,
            ],
            text=True,
            input=text,
            env={**os.environ, "MYSQL_PWD": secret},
            capture_output=True,
            timeout=30,
        )

    def addresses(self, ports):
        secret = self.secrets()[0]
        host = f"127.0.0.1:{ports['MARIADB_PORT']}"
        return {
            "MARIADB_URL": f"mysql://app:{secret}@{host}/shop",
            "MARIADB_ADMIN_URL": f"mysql://root:{secret}@{host}/shop",
            "MARIADB_HOST": "127.0.0.1",
        }

    def version(self):
        return debian.line([debian.program("mariadbd"), "--version"], "MARIADB_VERSION")
