"""Redis that talks TLS alone, to users who may do just what they need."""

from ..services.redis import Redis
from . import authority, links

# What docs/stores/redis.md lists.
RIGHTS = (
    "multi exec eval evalsha script|load info ping scan hgetall hmget hset hlen hscan hexists "
    "hsetnx hdel sadd srem smembers rpush lrange rename del unlink exists pexpire get set"
).split()


class SecureRedis(Redis):
    def packages(self):
        return [*super().packages(), *authority.packages()]

    def prepare(self, ports):
        super().prepare(ports)
        known = authority.passwords()
        fewer = [right for right in RIGHTS if right != "hset"]
        self.users = self.folder / "users.acl"
        self.users.touch(mode=0o600)
        self.users.write_text(
            "user default off\n"
            f"user admin on >{known.of('admin')} ~* &* +@all\n"
            + "".join(
                f"user {user} on >{known.of('mill')} ~mill:* resetchannels -@all "
                + " ".join(f"+{right}" for right in rights)
                + "\n"
                for user, rights in (("mill", RIGHTS), ("no-hset", fewer))
            )
        )

    def command(self, ports):
        plain = super().command(ports)
        at = plain.index("--port")
        return [
            *plain[:at],
            "--port",
            "0",
            "--tls-port",
            ports["REDIS_PORT"],
            "--tls-cert-file",
            authority.file("server.pem"),
            "--tls-key-file",
            authority.file("server.key"),
            "--tls-ca-cert-file",
            authority.file("ca.pem"),
            "--tls-auth-clients",
            "optional",
            "--aclfile",
            self.users,
            *plain[at + 2 :],
        ]

    def healthy(self, ports):
        admin = authority.passwords().of("admin")
        return links.redis_ping(ports["REDIS_PORT"], "admin", admin)

    def addresses(self, ports):
        known = authority.passwords()
        host = f"localhost:{ports['REDIS_PORT']}/"
        return {
            "REDIS_URL": f"rediss://mill:{known.of('mill')}@{host}",
            "REDIS_ADMIN_URL": f"rediss://admin:{known.of('admin')}@{host}",
            "REDIS_PREFIX": "mill:",
        }
