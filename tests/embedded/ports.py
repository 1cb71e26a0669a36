"""Free loopback ports that no other user of this module, in any process, is given at the same time."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

# Below the usual range of ephemeral ports, so that no outgoing connection takes a port between choice and use.
FIRST, LAST = 20_000, 32_000
LOOPBACK = "127.0.0.1"

_locks: dict[int, int] = {}  # port -> descriptor of the lock file, held until this process ends


def free_ports(count: int) -> list[int]:
    """`count` distinct ports on 127.0.0.1 that were free just now, reserved for this process until it ends.

    Raises OSError when the range holds fewer.
    """
    ports: list[int] = []
    for port in random.sample(range(FIRST, LAST), LAST - FIRST):
        if len(ports) == count:
            break
        if port not in _locks and _bindable(port) and _reserve(port):
            ports.append(port)
    if len(ports) < count:
        raise OSError(f"fewer than {count} free ports between {FIRST} and {LAST}")
    return ports


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", port))  # all addresses: some servers listen on more than loopback
        except OSError:
            return False
    return True


def _reserve(port: int) -> bool:
    folder = Path(tempfile.gettempdir()) / f"embedded-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return False
    _locks[port] = lock
    return True
