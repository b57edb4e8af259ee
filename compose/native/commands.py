"""The verbs of compose/stack: reads the command line, does one thing, answers with an exit code."""

import argparse
import subprocess
import sys

from . import check, connector, fetch, places
from .say import StackError, progress
from .secure import rotate
from .stack import Stack


def main(words):
    places.Which.secured = "--secure" in words
    arguments = parser().parse_args([word for word in words if word != "--secure"])
    try:
        return arguments.act(arguments) or 0
    except StackError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print("interrupted; `compose/stack status` tells what runs", file=sys.stderr)
        return 130


def parser():
    top = argparse.ArgumentParser(
        prog="compose/stack",
        description="The real stack, natively: Kafka, Connect with "
        "Debezium, registry, MongoDB, Redis, PostgreSQL, MariaDB, Prometheus on loopback.",
        epilog="With --secure, anywhere in the line, it is about the stack with TLS, credentials "
        "and the least rights instead, which can run beside the plain one.",
    )
    verbs = top.add_subparsers(metavar="VERB", required=True)

    def verb(name, act, text):
        one = verbs.add_parser(name, help=text, description=text)
        one.set_defaults(act=act)
        return one

    verb("up", up, "start what does not run, wait until it answers").add_argument(
        "service", nargs="*"
    )
    verb("down", down, "stop everything and delete its data").add_argument(
        "--keep", action="store_true", help="keep data, logs and ports for the next up"
    )
    verb("status", status, "say what runs; exit 1 if something does not")
    verb("env", env, "print the addresses as KEY=VALUE lines")
    for name, act, text in (
        ("logs", logs, "show a service's log"),
        ("restart", restart, "stop a service in good order and start it again"),
        ("kill", kill, "SIGKILL a service, for fault tests; `up` brings it back"),
    ):
        one = verb(name, act, text)
        one.add_argument("service")
        if act is logs:
            one.add_argument("-f", "--follow", action="store_true")
            one.add_argument("-n", "--lines", type=int, default=100)
    verb("fetch", fetch_all, "download everything into the cache")
    verb("check", drift, "say where this stack and compose.yaml have drifted apart")
    connectors = verb(
        "connector", None, "apply or delete a Kafka Connect connector"
    ).add_subparsers(metavar="VERB", required=True)
    for name, act, text in (
        ("apply", connector.apply, "substitute variables, put it to Connect, wait until it runs"),
        ("fill", connector.fill, "print a definition as `apply` would put it, secrets and all"),
    ):
        one = connectors.add_parser(name, help=text)
        one.add_argument("file")
        one.add_argument("variable", nargs="*", metavar="VAR=value")
        one.set_defaults(
            act=lambda words, act=act: act(Stack(), words.file, words.variable)
        )
    delete = connectors.add_parser(
        "delete", help="forget a connector: its offsets and replication slot too"
    )
    delete.add_argument("name")
    delete.set_defaults(act=lambda words: connector.delete(Stack(), words.name))
    password = verb("password", None, "give a user of the secured stack another password")
    password.add_argument("service", choices=sorted(rotate.DOORS))
    password.add_argument("user")
    password.add_argument("password")
    password.set_defaults(
        act=lambda words: rotate.password(Stack(), words.service, words.user, words.password)
    )
    return top


def up(words):
    stack = Stack()
    faults = stack.up(words.service)
    for fault in faults.values():
        print(f"error: {fault}", file=sys.stderr)
    wanted = {service.name for service in stack.with_needed(stack.pick(words.service))}
    summary(stack, wanted)
    print(f"addresses: {stack.env_file}")
    return 1 if faults else 0


def down(words):
    ended = Stack().down(words.keep)
    for name, how in ended.items():
        print(f"{name:<11} {how}")


def status(_):
    return 0 if summary(Stack()) else 1


def summary(stack, names=None):
    """One line a service; true if all are well."""
    all_well = True
    for service, process, well, ports in stack.look():
        if names is not None and service.name not in names:
            continue
        all_well &= well
        state = "up" if well else "not answering" if process else "down"
        where = " ".join(f"127.0.0.1:{port}" for port in list(ports.values())[:1])
        version = service.version() if process else ""
        number = f"pid {process.pid}" if process else "-"
        print(f"{service.name:<11} {state:<14} {where:<16} {number:<11} {version}".rstrip())
    return all_well


def env(_):
    stack = Stack()
    if not stack.env_file.exists():
        raise StackError("the stack has no addresses yet", "start it: compose/stack up")
    print(stack.env_file.read_text(), end="")


def logs(words):
    (service,) = Stack().pick([words.service])
    follow = ["-F"] if words.follow else []
    return subprocess.run(["tail", "-n", str(words.lines), *follow, str(service.log)]).returncode


def restart(words):
    stack = Stack()
    (service,) = stack.pick([words.service])
    with stack.alone():
        progress(service.name, service.stop())
    return up(words_of(service))


def words_of(service):
    return argparse.Namespace(service=[service.name])


def kill(words):
    stack = Stack()
    (service,) = stack.pick([words.service])
    with stack.alone():
        process = service.process()
        if not process or not process.alive():
            raise StackError(
                f"{service.name} does not run", f"start it: compose/stack up {service.name}"
            )
        process.kill()
    print(f"{service.name} killed, process {process.pid}")


def fetch_all(_):
    from . import debian

    stack = Stack()
    debian.ensure([need for service in stack.services.values() for need in service.packages()])
    for step in (fetch.kafka_jars, fetch.connect_plugins, fetch.registry, fetch.mongod):
        print(step())


def drift(_):
    found = check.drifts()
    for line in found:
        print(line)
    print(f"drifts={len(found)}")
    return 1 if found else 0
