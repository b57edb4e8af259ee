"""Kafka Connect in distributed mode, with Debezium's plugins, a file sink and the Avro converter."""

from .. import debian, fetch, places, wire
from ..service import Service, settings_plus
from .kafka import java_packages


# What of Connect's and Debezium's metrics is shown; the dashboard connect.json knows these.
RULES = places.ROOT / "dashboards" / "jmx" / "connect.yml"


class Connect(Service):
    name = "connect"
    ports = ("CONNECT_PORT", "CONNECT_METRICS_PORT")
    after = ("kafka",)
    ready_bound_s = 180

    def packages(self):
        return java_packages()

    def fetch(self):
        self.plugins = fetch.connect_plugins()
        self.exporter = fetch.jmx_exporter()
        self.jars = fetch.kafka_jars()  # the broker fetches them meanwhile

    def prepare(self, ports):
        self.properties = self.folder / "connect.properties"
        self.properties.write_text(
            settings_plus(
                "connect.properties",
                {
                    "bootstrap.servers": f"127.0.0.1:{ports['KAFKA_PORT']}",
                    "listeners": f"http://127.0.0.1:{ports['CONNECT_PORT']}",
                    "rest.advertised.host.name": "127.0.0.1",
                    "plugin.path": self.plugins,
                },
            )
        )

    def command(self, ports):
        return [
            debian.java(),
            "-Xmx512m",
            "-Xms256m",
            f"-Dlog4j2.configurationFile={places.COMPOSE}/native/log4j2.properties",
            f"-javaagent:{self.exporter}=127.0.0.1:{ports['CONNECT_METRICS_PORT']}:{RULES}",
            "-cp",
            f"{self.jars}/*",
            "org.apache.kafka.connect.cli.ConnectDistributed",
            self.properties,
        ]

    def healthy(self, ports):
        return wire.http("GET", self.url(ports) + "/connectors", timeout=5)[0] == 200

    def url(self, ports):
        return f"http://127.0.0.1:{ports['CONNECT_PORT']}"

    def addresses(self, ports):
        return {
            "CONNECT_URL": self.url(ports),
            "CONNECT_METRICS": f"127.0.0.1:{ports['CONNECT_METRICS_PORT']}",
        }

    def version(self):
        pins = places.versions()
        return (
            f"{pins['KAFKA_VERSION']}, Debezium {pins['DEBEZIUM_POSTGRES_VERSION']} (PostgreSQL), "
            f"{pins['DEBEZIUM_MARIADB_VERSION']} (MariaDB), {pins['DEBEZIUM_JDBC_VERSION']} (JDBC)"
        )
