"""A mongod that talks TLS alone, and knows a user by password and one by certificate."""

import base64
import secrets

from ..say import StackError
from ..services.mongo import Mongo
from . import authority, links

# What docs/stores/mongodb.md lists: what a worker does, and nothing else.
ACTIONS = [
    "find",
    "insert",
    "update",
    "remove",
    "createIndex",
    "listIndexes",
    "dropIndex",
    "dropCollection",
    "createCollection",
    "collMod",
]
SUBJECT = "CN=mill,OU=workers,O=readmill"
DATABASE = "mill"


class SecureMongo(Mongo):
    def packages(self):
        return [*super().packages(), *authority.packages()]

    def prepare(self, ports):
        super().prepare(ports)
        self.pem = authority.copy("server.both.pem", self)
        self.ca = authority.copy("ca.pem", self)
        self.keys = self.folder / "nodes.key"
        if not self.keys.exists():
            self.keys.write_text(base64.b64encode(secrets.token_bytes(24)).decode())
            self.keys.chmod(0o600)
            self.give(self.keys)

    def command(self, ports):
        return [
            *super().command(ports),
            "--tlsMode",
            "requireTLS",
            "--tlsCertificateKeyFile",
            self.pem,
            "--tlsCAFile",
            self.ca,
            "--tlsAllowConnectionsWithoutCertificates",
            "--keyFile",
            self.keys,
        ]

    def healthy(self, ports):
        """Founds the set while nobody has an account yet, which only this machine may."""
        with links.Mongo(ports["MONGO_PORT"]) as server:
            answer = server.run({"hello": 1})
            if answer.get("info") == "Does not have a valid replica set config":
                host = f"localhost:{ports['MONGO_PORT']}"
                wanted = {"_id": self.replica_set, "members": [{"_id": 0, "host": host}]}
                server.run({"replSetInitiate": wanted})
            return bool(answer.get("isWritablePrimary"))

    def set_up(self, ports):
        secret = authority.passwords().of("admin")
        with links.Mongo(ports["MONGO_PORT"]) as server:
            if server.log_in("admin", secret):
                return
        with links.Mongo(ports["MONGO_PORT"]) as server:
            done(server.run({"createUser": "admin", "pwd": secret, "roles": ["root"]}))
        with links.Mongo(ports["MONGO_PORT"]) as server:
            if not server.log_in("admin", secret):
                raise StackError("mongo does not know its administrator", "begin afresh")
            add_users(server)

    def addresses(self, ports):
        known = authority.passwords()
        host = f"localhost:{ports['MONGO_PORT']}/"
        more = f"?replicaSet={self.replica_set}&tls=true&tlsCAFile={authority.file('ca.pem')}"
        by_certificate = f"&tlsCertificateKeyFile={authority.file('mill.both.pem')}"
        return {
            "MONGO_URI": f"mongodb://mill:{known.of('mill')}@{host}{more}&authSource={DATABASE}",
            "MONGO_X509_URI": f"mongodb://{host}{more}&authMechanism=MONGODB-X509{by_certificate}",
            "MONGO_ADMIN_URI": f"mongodb://admin:{known.of('admin')}@{host}{more}",
            "MONGO_DATABASE": DATABASE,
        }


def add_users(server):
    """One with all rights, by password and by certificate, and one with a right fewer."""
    secret = authority.passwords().of("mill")
    fewer = [action for action in ACTIONS if action != "update"]
    for user, role, actions in (("mill", "worker", ACTIONS), ("no-update", "fewer", fewer)):
        privileges = [{"resource": {"db": DATABASE, "collection": ""}, "actions": actions}]
        done(server.run({"createRole": role, "privileges": privileges, "roles": []}, DATABASE))
        done(server.run({"createUser": user, "pwd": secret, "roles": [role]}, DATABASE))
    own = [{"role": "worker", "db": DATABASE}]
    done(server.run({"createUser": SUBJECT, "roles": own}, "$external"))


def done(answer):
    if not answer.get("ok"):
        raise StackError(f"mongo refused its set-up: {answer.get('errmsg')}", "begin afresh")
