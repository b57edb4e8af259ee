"""PostgreSQL that lets nobody in without TLS, and a user who may only read."""

from .. import places
from ..services.postgres import Postgres
from . import authority

DOOR = """# Written by compose/stack: TLS for everybody.
hostssl all all 127.0.0.1/32 scram-sha-256
hostssl replication all 127.0.0.1/32 scram-sha-256
"""
# What a comparison with the tables needs, as docs/security.md lists it.
READER = """create role reader login password '{password}';
grant connect on database shop to reader;
"""
READS = """grant usage on schema public to reader;
grant select on public.points_outbox to reader;
"""


class SecurePostgres(Postgres):
    def packages(self):
        return [*super().packages(), *authority.packages()]

    @property
    def password(self):
        return authority.passwords().of("admin")

    def password_of(self, user):
        return authority.passwords().of("admin" if user == "postgres" else user)

    def prepare(self, ports):
        super().prepare(ports)
        (self.data / "pg_hba.conf").write_text(DOOR)
        self.give(self.data / "pg_hba.conf")
        self.key = authority.copy("server.key", self)
        self.certificate = authority.copy("server.pem", self)

    def command(self, ports):
        extra = {"ssl": "on", "ssl_cert_file": self.certificate, "ssl_key_file": self.key}
        more = [word for name, value in extra.items() for word in ("-c", f"{name}={value}")]
        return [*super().command(ports), *more]

    def roles(self):
        known = authority.passwords()
        text = (places.CONFIG / "postgres-roles.sql").read_text()
        for user in ("app", "debezium"):
            text = text.replace(
                f"{user} login password '${{STACK_PASSWORD}}'",
                f"{user} login password '{known.of(user)}'",
            ).replace(
                f"{user} login replication password '${{STACK_PASSWORD}}'",
                f"{user} login replication password '{known.of(user)}'",
            )
        return text + READER.format(password=known.of("reader"))

    def set_up(self, ports):
        super().set_up(ports)
        self.run_sql(ports, "app", "shop", READS)

    def addresses(self, ports):
        known = authority.passwords()
        port = ports["POSTGRES_PORT"]
        more = f"?sslmode=verify-full&sslrootcert={authority.file('ca.pem')}"
        url = "postgresql://{user}:{secret}@localhost:{port}/shop" + more
        return {
            "POSTGRES_URL": url.format(user="app", secret=known.of("app"), port=port),
            "POSTGRES_READER_URL": url.format(user="reader", secret=known.of("reader"), port=port),
            "POSTGRES_ADMIN_URL": url.format(user="postgres", secret=known.of("admin"), port=port),
            "POSTGRES_HOST": "localhost",
        }
