"""Redis from Debian, with an append-only file."""

import os

from .. import debian, places, wire
from ..service import Service


class Redis(Service):
    name = "redis"
    ports = ("REDIS_PORT",)

    def packages(self):
        return [("redis-server", debian.program("redis-server") is not None)]

    def prepare(self, ports):
        (self.folder / "redis.conf").write_text((places.CONFIG / "redis.conf").read_text())

    def command(self, ports):
        return [
            debian.program("redis-server"),
            self.folder / "redis.conf",
            "--bind",
            "127.0.0.1",
            "--port",
            ports["REDIS_PORT"],
            "--dir",
            self.data,
            "--daemonize",
            "no",
            "--pidfile",
            "",
            *os.environ.get("READMILL_REDIS_ARGS", "").split(),
        ]

    def healthy(self, ports):
        return wire.redis_ping(ports["REDIS_PORT"])

    def addresses(self, ports):
        return {"REDIS_URL": f"redis://127.0.0.1:{ports['REDIS_PORT']}/"}

    def version(self):
        return debian.line([debian.program("redis-server"), "--version"], "REDIS_VERSION")
