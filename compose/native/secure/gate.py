"""The gate before the schema registry and Connect's REST: TLS and a password. Neither of the two has
both by itself with what the stack fetches."""

import json
import sys

from .. import places
from ..service import Service
from . import authority, links


class Gate(Service):
    name = "gate"
    ports = ("REGISTRY_TLS_PORT", "CONNECT_TLS_PORT", "TOKEN_PORT")

    def packages(self):
        return authority.packages()

    def prepare(self, ports):
        known = authority.passwords()
        everyone = {user: known.of(user) for user in ("mill", "connect", "app", "turn")}
        (self.folder / "gate.json").touch(mode=0o600)
        (self.folder / "gate.json").write_text(
            json.dumps(
                {
                    "certificate": str(authority.file("server.both.pem")),
                    "ways": {
                        ports["REGISTRY_TLS_PORT"]: [ports["REGISTRY_PORT"], everyone],
                        ports["CONNECT_TLS_PORT"]: [ports["CONNECT_PORT"], everyone],
                        ports["TOKEN_PORT"]: [None, {"mill": known.of("oauth")}],
                    },
                }
            )
        )

    def command(self, ports):
        script = places.COMPOSE / "native/secure/gatekeeper.py"
        return [sys.executable, "-B", script, self.folder / "gate.json"]

    def healthy(self, ports):
        for name in self.ports:
            links.tls(ports[name]).close()
        return True

    def addresses(self, ports):
        known = authority.passwords()
        registry = f"https://localhost:{ports['REGISTRY_TLS_PORT']}/apis"
        return {
            "REGISTRY_URL": f"{registry}/ccompat/v7",
            "REGISTRY_NATIVE_URL": f"{registry}/registry/v2",
            "CONNECT_URL": f"https://localhost:{ports['CONNECT_TLS_PORT']}",
            "TOKEN_URL": f"https://localhost:{ports['TOKEN_PORT']}/token",
            "HTTP_USER": "mill",
            "HTTP_PASSWORD": known.of("mill"),
            "TURN_USER": "turn",
            "TURN_PASSWORD": known.of("turn"),
            "OAUTH_CLIENT": "mill",
            "OAUTH_SECRET": known.of("oauth"),
        }
