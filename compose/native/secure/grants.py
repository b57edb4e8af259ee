"""Who may do what in Kafka: the least that works for each user, and users with one grant fewer."""

# Kafka's numbers for resources, pattern types and operations.
TOPIC, GROUP, CLUSTER, TRANSACTION = 2, 3, 4, 5
LITERAL, PREFIXED = 3, 4
READ, WRITE, CREATE, DESCRIBE, DESCRIBE_CONFIGS, IDEMPOTENT_WRITE = 3, 4, 5, 8, 10, 12

# What an instance of Readmill needs, as docs/security.md lists it; each with the name of a user
# that has all the others.
MILL = {
    "no-source-read": (TOPIC, "shop", PREFIXED, READ),
    "no-group-read": (GROUP, "mill", PREFIXED, READ),
    "no-target-write": (TOPIC, "mill", PREFIXED, WRITE),
}
CONNECT = (
    *((TOPIC, "readmill-connect", PREFIXED, right) for right in (READ, WRITE, CREATE)),
    (TOPIC, "readmill-connect", PREFIXED, DESCRIBE_CONFIGS),
    (GROUP, "readmill-connect", PREFIXED, READ),
    (TRANSACTION, "connect-cluster-readmill-connect", PREFIXED, WRITE),
    (TRANSACTION, "readmill-connect", PREFIXED, WRITE),
    (TRANSACTION, "connect-cluster-readmill-connect", PREFIXED, DESCRIBE),
    (TRANSACTION, "readmill-connect", PREFIXED, DESCRIBE),
    (CLUSTER, "kafka-cluster", LITERAL, IDEMPOTENT_WRITE),
    *((TOPIC, "shop", PREFIXED, right) for right in (WRITE, CREATE, DESCRIBE_CONFIGS)),
    *((TOPIC, "__debezium-heartbeat", PREFIXED, right) for right in (WRITE, CREATE)),
    # The history of MariaDB's tables is read again after a restart.
    (TOPIC, "shop", PREFIXED, READ),
    (GROUP, "shop", PREFIXED, READ),
)
# Whoever may write to what topics hold for tests.
APP = (
    *((TOPIC, prefix, PREFIXED, right) for prefix in ("shop", "mill") for right in (WRITE, CREATE)),
)


def all_grants():
    """Triples (principal, resource, operation) as Kafka's request has them."""
    users = {"mill": list(MILL.values()), "connect": list(CONNECT), "app": list(APP)}
    # The same user, by certificate.
    users["CN=mill,OU=workers,O=readmill"] = users["mill"]
    # Whose password is changed.
    users["turn"] = users["mill"]
    for missing in MILL:
        users[missing] = [grant for name, grant in MILL.items() if name != missing]
    for user, grants in users.items():
        for kind, name, pattern, operation in grants:
            yield f"User:{user}", kind, name, pattern, operation
