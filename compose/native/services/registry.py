"""Apicurio's schema registry; its schemas are kept in a file, so that a killed one comes back with
its ids."""

from .. import debian, fetch, places, wire
from ..service import Service
from .kafka import java_packages


class Registry(Service):
    name = "registry"
    ports = ("REGISTRY_PORT",)

    def packages(self):
        return java_packages()

    def fetch(self):
        self.home = fetch.registry()

    def command(self, ports):
        runner = next(self.home.glob("apicurio-registry-app-*-runner.jar"))
        settings = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": ports["REGISTRY_PORT"],
            "apicurio.storage.kind": "sql",
            "apicurio.storage.sql.kind": "h2",
            "apicurio.datasource.url": f"jdbc:h2:file:{self.data}/registry",
            "quarkus.log.level": "WARN",
            "quarkus.log.console.json": "false",
        }
        return [
            debian.java(),
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            *(f"-D{name}={value}" for name, value in settings.items()),
            "-jar",
            runner,
        ]

    def healthy(self, ports):
        return wire.http("GET", self.url(ports) + "/apis/ccompat/v7/subjects", timeout=5)[0] == 200

    def url(self, ports):
        return f"http://127.0.0.1:{ports['REGISTRY_PORT']}"

    def addresses(self, ports):
        return {
            "REGISTRY_URL": self.url(ports) + "/apis/ccompat/v7",
            "REGISTRY_NATIVE_URL": self.url(ports) + "/apis/registry/v2",
        }

    def version(self):
        return places.versions()["APICURIO_REGISTRY_VERSION"]
