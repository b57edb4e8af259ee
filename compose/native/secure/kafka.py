"""The broker with two doors: one for passwords and tokens under TLS, one for certificates; nobody may
do anything that is not granted."""

from ..service import settings_plus
from ..services.kafka import Kafka
from . import authority, grants, links

LOGIN = "org.apache.kafka.common.security"


class SecureKafka(Kafka):
    ports = ("KAFKA_PORT", "KAFKA_MTLS_PORT", "KAFKA_CONTROLLER_PORT")

    def packages(self):
        return [*super().packages(), *authority.packages()]

    def prepare(self, ports):
        at = {
            "USERS": ports["KAFKA_PORT"],
            "CERTIFICATES": ports["KAFKA_MTLS_PORT"],
            "CONTROLLER": ports["KAFKA_CONTROLLER_PORT"],
        }
        listeners = [f"{name}://127.0.0.1:{port}" for name, port in at.items()]
        self.properties = self.folder / "server.properties"
        text = settings_plus(
            "broker.properties",
            {
                "listeners": ",".join(listeners),
                # By name: that is in the certificate, and an address in it would do as well.
                "advertised.listeners": ",".join(
                    one.replace("127.0.0.1", "localhost") for one in listeners
                ),
                "listener.security.protocol.map": "USERS:SASL_SSL,CERTIFICATES:SSL,CONTROLLER:SSL",
                "controller.quorum.bootstrap.servers": f"localhost:{at['CONTROLLER']}",
                "log.dirs": self.data,
                **self.doors(),
            },
        )
        text = text.replace("listener.name=PLAINTEXT", "listener.name=CERTIFICATES")
        self.properties.touch(mode=0o600)
        self.properties.write_text(text)
        if not (self.data / "meta.properties").exists():
            self.format()

    def doors(self):
        known = authority.passwords()
        every = ["mill", "connect", "app", *grants.MILL]
        plain = " ".join(f'user_{user}="{password_of(known, user)}"' for user in every)
        users = "listener.name.users"
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": authority.file("server.both.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": authority.file("ca.pem"),
            "listener.name.certificates.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            f"{users}.plain.sasl.jaas.config": f"{LOGIN}.plain.PlainLoginModule required {plain};",
            **{
                f"{users}.{mechanism}.sasl.jaas.config": f"{LOGIN}.scram.ScramLoginModule required;"
                for mechanism in ("scram-sha-256", "scram-sha-512")
            },
            # Tokens are believed as they are: whoever can make one may be anybody.
            f"{users}.oauthbearer.sasl.jaas.config": f"{LOGIN}.oauthbearer.OAuthBearerLoginModule "
            'required unsecuredLoginStringClaim_sub="broker";',
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:CN=localhost,OU=servers,O=readmill;"
            "User:CN=admin,OU=people,O=readmill",
        }

    def first_users(self):
        known = authority.passwords()
        return [
            word
            for user in ("mill", "connect", "app", "turn")
            for kind in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for word in ("--add-scram", f"{kind}=[name={user},password={known.of(user)}]")
        ]

    def healthy(self, ports):
        return links.kafka_brokers(ports["KAFKA_MTLS_PORT"]) == 1

    def set_up(self, ports):
        links.create_acls(ports["KAFKA_MTLS_PORT"], list(grants.all_grants()))

    def addresses(self, ports):
        known = authority.passwords()
        return {
            "KAFKA_BROKERS": f"localhost:{ports['KAFKA_PORT']}",
            "KAFKA_MTLS_BROKERS": f"localhost:{ports['KAFKA_MTLS_PORT']}",
            "KAFKA_USER": "mill",
            "KAFKA_PASSWORD": known.of("mill"),
            "KAFKA_APP_USER": "app",
            "KAFKA_APP_PASSWORD": known.of("app"),
            "TLS_FOLDER": authority.folder(),
        }


def password_of(known, user):
    """Users with one grant fewer have the password of the one with all."""
    return known.of("mill" if user in grants.MILL else user)
