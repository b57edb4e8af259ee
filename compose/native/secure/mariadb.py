"""MariaDB that lets nobody in without TLS, to users who may do just what they need."""

from .. import places
from ..services.mariadb import MariaDb
from . import authority

# What the connector is granted (connectors/debezium/mariadb/outbox.sql), and users that lack one of
# the rights.
READS = "grant select, lock tables, show view on shop.* to '{user}'@'%';\n"
FOLLOWS = "grant reload, replication slave, replication client on *.* to '{user}'@'%';\n"
LACKING = {
    "no-select": FOLLOWS,
    "no-binlog": READS + "grant reload on *.* to '{user}'@'%';\n",
}
MADE = "create user if not exists '{user}'@'%' identified by '{secret}';\n"


class SecureMariaDb(MariaDb):
    host = "localhost"

    def packages(self):
        return [*super().packages(), *authority.packages()]

    def secrets(self):
        return [authority.passwords().of("admin"), ""]

    def password_of(self, user):
        return authority.passwords().of(user)

    def roles(self):
        known = authority.passwords()
        text = (places.CONFIG / "mariadb-roles.sql").read_text()
        for user in ("app", "debezium"):
            text = text.replace(
                f"{user}@'%' identified by '${{STACK_PASSWORD}}'",
                f"{user}@'%' identified by '{known.of(user)}'",
            )
        for user, grants in LACKING.items():
            text += (MADE + grants).format(user=user, secret=known.of("debezium"))
        return text

    def protection(self):
        return [f"--ssl-ca={authority.file('ca.pem')}", "--ssl-verify-server-cert"]

    def prepare(self, ports):
        super().prepare(ports)
        self.key = authority.copy("server.key", self)
        self.certificate = authority.copy("server.pem", self)

    def command(self, ports):
        return [
            *super().command(ports),
            "--require-secure-transport=ON",
            f"--ssl-ca={authority.file('ca.pem')}",
            f"--ssl-cert={self.certificate}",
            f"--ssl-key={self.key}",
        ]

    def addresses(self, ports):
        known = authority.passwords()
        where = f"localhost:{ports['MARIADB_PORT']}/shop"
        return {
            "MARIADB_URL": f"mysql://app:{known.of('app')}@{where}",
            "MARIADB_ADMIN_URL": f"mysql://root:{known.of('admin')}@{where}",
            "MARIADB_HOST": "localhost",
            "DEBEZIUM_SECRET": known.of("debezium"),
        }
