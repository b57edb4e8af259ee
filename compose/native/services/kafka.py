"""The broker: one KRaft node that is its own controller."""

import base64
import os
import subprocess
import uuid

from .. import debian, fetch, places, wire
from ..say import StackError, tail
from ..service import Service, settings_plus


def java_packages():
    return [
        ("openjdk-17-jre-headless", debian.java() is not None),
        ("maven", fetch.complete() or debian.program("mvn") is not None),
    ]


def links():
    """Listeners behind proxies, for fault tests: READMILL_KAFKA_LINKS has pairs "port:proxy", and
    who comes by such a proxy is told of no other way."""
    pairs = os.environ.get("READMILL_KAFKA_LINKS", "").split()
    return [(f"LINK{n}", *pair.split(":")) for n, pair in enumerate(pairs)]


class Kafka(Service):
    name = "kafka"
    ports = ("KAFKA_PORT", "KAFKA_CONTROLLER_PORT")

    def packages(self):
        return java_packages()

    def fetch(self):
        self.jars = fetch.kafka_jars()

    def prepare(self, ports):
        broker, controller = ports["KAFKA_PORT"], ports["KAFKA_CONTROLLER_PORT"]
        own = [("PLAINTEXT", broker, broker), ("CONTROLLER", controller, controller)]
        every = [*own, *links()]
        at = [f"{name}://127.0.0.1:{port}" for name, port, _ in every]
        said = [f"{name}://127.0.0.1:{port}" for name, _, port in every]
        self.properties = self.folder / "server.properties"
        self.properties.write_text(
            settings_plus(
                "broker.properties",
                {
                    "listeners": ",".join(at),
                    "advertised.listeners": ",".join(said),
                    "listener.security.protocol.map": ",".join(
                        f"{name}:PLAINTEXT" for name, _, _ in every
                    ),
                    "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
                    "log.dirs": self.data,
                },
            )
        )
        if not (self.data / "meta.properties").exists():
            self.format()

    def first_users(self):
        """Arguments for users that the broker knows from its first start on."""
        return []

    def format(self):
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        with open(self.log, "ab") as log:
            done = subprocess.run(
                [
                    *self.java("256m"),
                    "-XX:TieredStopAtLevel=1",
                    "kafka.tools.StorageTool",
                    "format",
                    "--standalone",
                    "-t",
                    cluster,
                    "-c",
                    str(self.properties),
                    *self.first_users(),
                ],
                stdout=log,
                stderr=log,
                timeout=120,
            )
        if done.returncode != 0:
            raise StackError(
                f"kafka's data folder could not be formatted:\n{tail(self.log)}", f"see {self.log}"
            )

    def java(self, heap):
        return [
            debian.java(),
            f"-Xmx{heap}",
            f"-Dlog4j2.configurationFile={places.COMPOSE}/native/log4j2.properties",
            "-cp",
            f"{self.jars}/*",
        ]

    def command(self, ports):
        return [*self.java("512m"), "-Xms256m", "kafka.Kafka", self.properties]

    def healthy(self, ports):
        return wire.kafka_brokers(ports["KAFKA_PORT"]) == 1

    def addresses(self, ports):
        return {"KAFKA_BROKERS": f"127.0.0.1:{ports['KAFKA_PORT']}"}

    def version(self):
        return places.versions()["KAFKA_VERSION"]
