"""Connectors: fills a JSON template with the stack's addresses, puts it to Connect, waits until it
really runs."""

import json
import re
import time
from pathlib import Path

from . import places, wire
from .secure import authority, connect
from .say import StackError, progress

READY_BOUND_S = 90
STEADY_S = 1.5


def filled(stack, file, variables):
    """The definition as Connect is to have it."""
    known = {**places.versions(), **stack.recorded()}
    known["DEBEZIUM_PASSWORD"] = known["STACK_PASSWORD"]
    known.update(secret_of_debezium())
    for variable in variables:
        name, equals, value = variable.partition("=")
        if not equals:
            raise StackError(f"{variable!r} is no VAR=value")
        known[name] = value
    whole = read(Path(file), known)
    return {**whole, "config": {**whole["config"], **protection(whole["config"])}}


def fill(stack, file, variables):
    print(json.dumps(filled(stack, file, variables), indent=2))


def apply(stack, file, variables):
    whole = filled(stack, file, variables)
    url, name = connect_url(stack), whole["name"]
    status, answer = put(f"{url}/connectors/{name}/config", whole["config"])
    if status >= 400:
        raise StackError(
            f"Connect refused {name}: {message(answer)}", f"correct {file} or the variables given"
        )
    await_running(url, name)
    print(f"{name} runs")


def secret_of_debezium():
    if not places.Which.secured:
        return {}
    return {"DEBEZIUM_PASSWORD": authority.passwords().of("debezium")}


def protection(options):
    """What a definition needs besides on the secured stack: TLS to the database, and the account at
    the registry."""
    if not places.Which.secured:
        return {}
    if "MariaDb" in options["connector.class"]:
        more = {
            "database.ssl.mode": "verify-full",
            "database.ssl.truststore": authority.file("trust.p12"),
            "database.ssl.truststore.password": authority.TRUST_PASSWORD,
            **history_account(),
        }
    else:
        more = {"database.sslmode": "verify-full", "database.sslrootcert": authority.file("ca.pem")}
    for side in ("key", "value"):
        if f"{side}.converter.apicurio.registry.url" in options:
            more[f"{side}.converter.apicurio.auth.username"] = "connect"
            secret = authority.passwords().of("connect")
            more[f"{side}.converter.apicurio.auth.password"] = secret
    return {name: str(value) for name, value in more.items()}


def history_account():
    """The connector itself, and not the worker, keeps the history of the tables in Kafka."""
    account = connect.account()
    sides = ("schema.history.internal.producer.", "schema.history.internal.consumer.")
    return {side + name: value for side in sides for name, value in account.items()}


def read(path, known):
    """The template with ${NAME} and ${NAME:-default} replaced."""
    missing = set()

    def value(seen):
        name, default = seen.group(1), seen.group(2)
        if name not in known and default is None:
            missing.add(name)
            return ""
        return json.dumps(known.get(name, default))[1:-1]

    try:
        text = re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", value, path.read_text())
        whole = json.loads(text)
    except OSError as fault:
        raise StackError(f"cannot read {path}: {fault.strerror}")
    except ValueError as fault:
        raise StackError(f"{path} is no JSON: {fault}")
    if missing:
        raise StackError(
            f"{path} wants {', '.join(sorted(missing))}", "give them as VAR=value; is the stack up?"
        )
    return whole


def put(url, config):
    """Connect answers 409 while it rebalances: asked again, within bounds."""
    until = time.monotonic() + 30
    while True:
        status, answer = ask("PUT", url, config)
        if status not in (409, 503) or time.monotonic() > until:
            return status, answer
        time.sleep(0.5)


def await_running(url, name):
    """Until everything has run for a while: a first RUNNING may be that of the configuration
    before, or of a task that fails a moment later."""
    until = time.monotonic() + READY_BOUND_S
    since, said = None, ""
    while time.monotonic() < until:
        states = look(url, name)
        well = len(states) > 1 and set(states) == {"RUNNING"}
        since = (since or time.monotonic()) if well else None
        if since and time.monotonic() - since > STEADY_S:
            return
        if said != states:
            said = states
            progress(name, ", ".join(states).lower() or "not there yet")
        time.sleep(0.2)
    raise StackError(
        f"{name} does not run after {READY_BOUND_S} s (states: {', '.join(said)})",
        "see `compose/stack logs connect`",
    )


def look(url, name):
    """The states of the connector and its tasks; a failed one raises its trace."""
    status, answer = ask("GET", f"{url}/connectors/{name}/status")
    if status != 200:
        return []
    parts = [answer["connector"], *answer["tasks"]]
    for part in parts:
        if part["state"] == "FAILED":
            raise StackError(
                f"{name} failed:\n{part.get('trace', '(no trace)')}",
                "correct the cause, then apply it again; `compose/stack logs connect` has more",
            )
    return [part["state"] for part in parts]


def delete(stack, name):
    """Stops it, forgets its offsets and its replication slot, so that one of the same name begins
    afresh."""
    url = connect_url(stack)
    status, config = ask("GET", f"{url}/connectors/{name}/config")
    if status == 404:
        raise StackError(f"no connector {name}")
    ask("PUT", f"{url}/connectors/{name}/stop")
    until = time.monotonic() + 30
    while time.monotonic() < until:
        status, answer = ask("DELETE", f"{url}/connectors/{name}/offsets")
        if status == 200:
            break
        time.sleep(0.3)
    else:
        progress(name, f"its offsets stay: {message(answer)}")
    ask("DELETE", f"{url}/connectors/{name}")
    if "slot.name" in config and stack.services["postgres"].running():
        drop_slot(stack, config["slot.name"], config.get("database.dbname", "shop"))
    print(f"{name} deleted")


def drop_slot(stack, slot, database):
    until = time.monotonic() + 20
    while time.monotonic() < until:  # the slot stays active until the old connection is gone
        done = stack.services["postgres"].psql(
            stack.known_ports(),
            "postgres",
            database,
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots "
            f"where slot_name = '{slot}'",
        )
        if done.returncode == 0:
            return
        time.sleep(0.3)
    progress("postgres", f"slot {slot} stays: {done.stderr.strip()}")


def connect_url(stack):
    known = stack.recorded()
    url = known.get("CONNECT_DIRECT_URL") or known.get("CONNECT_URL")
    if not url:
        raise StackError("the stack is not up", "start it: compose/stack up")
    return url


def ask(method, url, body=None):
    try:
        return wire.http(method, url, body, timeout=30)
    except OSError as fault:
        raise StackError(f"Connect does not answer at {url}: {fault}", "see `compose/stack status`")


def message(answer):
    return answer.get("message", answer) if isinstance(answer, dict) else answer
