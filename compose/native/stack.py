"""The stack as a whole: which services run, on which ports, brought up and taken down side by
side."""

import fcntl
import shutil
import threading
from contextlib import contextmanager

from . import debian, places, ports as port_choice, secure
from .say import StackError, progress
from .services import ALL


class Stack:
    def __init__(self):
        self.folder = places.run()
        self.env_file = self.folder / "stack.env"
        kinds = secure.ALL if places.Which.secured else ALL
        self.services = {kind.name: kind(self.folder) for kind in kinds}

    def pick(self, names):
        unknown = [name for name in names if name not in self.services]
        if unknown:
            raise StackError(
                f"no service {', '.join(unknown)}", "one of: " + ", ".join(self.services)
            )
        return [self.services[name] for name in names] or list(self.services.values())

    @contextmanager
    def alone(self):
        """One command at a time changes the stack; a second one waits."""
        with open(self.folder / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress("stack", "waiting for another compose/stack to finish")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def recorded(self):
        return places.read_env(self.env_file)

    def known_ports(self):
        return {
            name: int(value) for name, value in self.recorded().items() if name.endswith("_PORT")
        }

    def up(self, names):
        """Starts what does not run, waits until all of it answers; returns what failed, by
        service."""
        wanted = self.with_needed(self.pick(names))
        debian.ensure([need for service in wanted for need in service.packages()])
        with self.alone():
            if places.Which.secured:
                secure.authority.ensure()
            ports = self.choose_ports()
            self.write_env(ports, wanted)
            return self.start_together(wanted, ports)

    def with_needed(self, wanted):
        needed = {name for service in wanted for name in (service.name, *service.after)}
        return [service for service in self.services.values() if service.name in needed]

    def choose_ports(self):
        running = {
            name
            for service in self.services.values()
            if service.running()
            for name in service.ports
        }
        every = [name for service in self.services.values() for name in service.ports]
        defaults = {**secure.PORTS, **places.versions()}
        return port_choice.choose(every, defaults, self.recorded(), running, bool(running))

    def write_env(self, ports, wanted):
        lines = [
            "# Written by compose/stack up: where the services listen.",
            f"STACK_PASSWORD={places.versions()['STACK_PASSWORD']}",
        ]
        mode = 0o600 if places.Which.secured else 0o644
        for service in self.services.values():
            if service in wanted or service.running():
                known = service.addresses(ports).items()
                lines += [f"{name}={for_shells(value)}" for name, value in known]
        lines += [f"{name}={value}" for name, value in ports.items()]
        places.replace_text(self.env_file, "\n".join(lines) + "\n", mode)

    def start_together(self, wanted, ports):
        done = {service.name: threading.Event() for service in wanted}
        faults = {}

        def bring(service):
            try:
                for name in service.after:
                    done[name].wait()
                    if name in faults:
                        raise StackError(
                            f"{service.name} was not started: it needs {name}", f"mend {name} first"
                        )
                if service.running():
                    service.await_ready(ports, service.process())
                else:
                    service.start(ports)
            except Exception as fault:
                progress(service.name, "failed")
                faults[service.name] = fault
            finally:
                done[service.name].set()

        def fetch_early(service):
            try:
                service.fetch()
            except Exception:
                pass  # told when the service itself asks

        threads = [threading.Thread(target=bring, args=[service]) for service in wanted]
        threads += [
            threading.Thread(target=fetch_early, args=[service])
            for service in wanted
            if service.after and not service.running()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return faults

    def down(self, keep):
        """Stops dependents first, then the rest, all side by side; returns how each ended."""
        ended = {}
        with self.alone():
            late = {name for service in self.services.values() for name in service.after}
            for wave in (False, True):
                names = [name for name in self.services if (name in late) == wave]
                threads = [
                    threading.Thread(
                        target=lambda n=name: ended.update({n: self.services[n].stop()})
                    )
                    for name in names
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            if not keep:
                self.erase()
        return ended

    def erase(self):
        for entry in self.folder.iterdir():
            if entry.name in (*self.services, "tls"):
                shutil.rmtree(entry)
            elif entry.name == "stack.env":
                entry.unlink()

    def look(self):
        """Per service: (service, its process or None, whether it is well, its ports)."""
        ports = self.known_ports()
        for service in self.services.values():
            mine = {name: ports[name] for name in service.ports if name in ports}
            yield service, service.process() if service.running() else None, service.is_well(
                ports
            ), mine


def for_shells(value):
    """So that the file can be sourced: an address may have an ampersand."""
    return f"'{value}'" if "&" in str(value) else value
