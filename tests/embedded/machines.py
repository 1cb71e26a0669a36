"""Machines for the nodes of a Ray cluster: network and process namespaces on this one (Linux, as root).

Ray takes nodes for those of one machine if it finds their processes there, and lets a driver join the head's node even
where its job runs on another one. Namespaces keep them apart, each machine with an address of its own.

The namespaces live as long as the processes that hold them, which end with this program.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from embedded.processes import Part

# The first process of a process namespace has to wait for those that nobody else waits for.
FIRST_PROCESS = '"$@" & wait $!'
IN_NAMESPACES = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def can_be_made() -> bool:
    """Whether this user can make such machines here."""
    if sys.platform != "linux" or not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        return False
    tried = "ip link add try0 type veth peer name try1 && ip link add try2 type bridge"
    return subprocess.run([*IN_NAMESPACES, "--net", "sh", "-c", tried], capture_output=True).returncode == 0


class Namespace(Part):
    """Holds a network namespace."""

    stop_grace = 0.0

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        super().__init__(folder)

    def command(self) -> list[str]:
        return ["unshare", "--net", "sleep", "infinity"]

    @property
    def pid(self) -> int:
        _, holder = self.members()
        return holder.pid

    def serves(self) -> bool:
        if len(self.members()) != 2:
            return False
        return Path(f"/proc/{self.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()

    def run(self, *words: str) -> None:
        """Run `ip` with these words in it."""
        ip(*words, inside=self)


@dataclass(frozen=True)
class Machine:
    """A machine of a `Network`."""

    address: str
    namespace: Namespace

    def command(self, words: Sequence[str]) -> list[str]:
        """The command that runs this one there. When it is killed, everything that it has started ends with it."""
        return [*entering(self.namespace), *IN_NAMESPACES, "sh", "-c", FIRST_PROCESS, "sh", *words]


class Network:
    """A network of machines, which this one has a part in, too. Servers here listen on `address` for them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._subnet = f"10.77.{os.getpid() % 254 + 1}"
        self._parts = ExitStack()
        self._count = 1
        self.address = f"{self._subnet}.1"

    def machine(self, name: str) -> Machine:
        """A further machine."""
        namespace = self._namespace(name)
        self._count += 1
        address = f"{self._subnet}.{self._count}"
        self._switch.run("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(namespace.pid))
        self._plug(name)
        namespace.run("address", "add", f"{address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            namespace.run("link", "set", device, "up")
        namespace.run("route", "add", "default", "via", self.address)
        return Machine(address, namespace)

    def _namespace(self, name: str) -> Namespace:
        return self._parts.enter_context(Namespace(self._folder / name, name))

    def _plug(self, cable: str) -> None:
        self._switch.run("link", "set", cable, "master", "bridge", "up")

    def __enter__(self) -> Self:
        # In a namespace of its own, no rules of this machine's firewall are in the way.
        self._switch = self._namespace("switch")
        device = f"ingest{os.getpid()}"
        with self._parts.pop_all() as parts:
            self._switch.run("link", "add", "bridge", "type", "bridge")
            self._switch.run("link", "set", "bridge", "up")
            ip("link", "add", device, "type", "veth", "peer", "name", "here", "netns", str(self._switch.pid))
            self._plug("here")
            ip("address", "add", f"{self.address}/24", "dev", device)
            ip("link", "set", device, "up")
            self._parts = parts.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._parts.close()


def entering(namespace: Namespace) -> list[str]:
    return ["nsenter", f"--net=/proc/{namespace.pid}/ns/net"]


def ip(*words: str, inside: Namespace | None = None) -> None:
    subprocess.run([*(entering(inside) if inside else ()), "ip", *words], check=True, capture_output=True)
