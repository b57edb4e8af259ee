"""Kafka Connect that logs in at the broker; its own address is for the gate alone."""

from ..services.connect import Connect
from . import authority


def account():
    """As whom the brokers are asked."""
    secret = authority.passwords().of("connect")
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
        f'username="connect" password="{secret}";',
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": authority.file("ca.pem"),
    }


class SecureConnect(Connect):
    after = ("kafka", "gate")

    def prepare(self, ports):
        super().prepare(ports)
        text = self.properties.read_text().replace(
            f"bootstrap.servers=127.0.0.1:{ports['KAFKA_PORT']}",
            f"bootstrap.servers=localhost:{ports['KAFKA_PORT']}",
        )
        for prefix in ("", "producer.", "consumer.", "admin."):
            text += "".join(f"{prefix}{name}={value}\n" for name, value in account().items())
        self.properties.chmod(0o600)
        self.properties.write_text(text)

    def command(self, ports):
        """The converters ask the registry by the platform's own client."""
        java, *rest = super().command(ports)
        trust = authority.file("trust.p12")
        return [
            java,
            f"-Djavax.net.ssl.trustStore={trust}",
            f"-Djavax.net.ssl.trustStorePassword={authority.TRUST_PASSWORD}",
            *rest,
        ]

    def addresses(self, ports):
        """For the stack's own commands; others come through the gate."""
        return {"CONNECT_DIRECT_URL": self.url(ports)}
