"""Runs one command and answers for every process that comes of it.

    python keeper.py GRACE_SECONDS COMMAND [ARG ...]

The command runs in a session of its own. On Linux the keeper is the *subreaper* of all that the command starts, so a
daemon that leaves its group, its session or its parent still becomes the keeper's child, and "no children" is a proof
that nothing is left. (Elsewhere the kernel offers no such thing: a process that outlives its parent escapes.)

The owner holds the keeper's standard input. `t` on it asks for an orderly end (SIGTERM to all, SIGKILL after the
grace), `k` for SIGKILL at once, and its end (the owner closed it or died, of SIGKILL too) means `k`. When the command
itself ends, the rest is ended as by `t`. The keeper's exit status is the command's (128 + signal when it was killed).
"""

import ctypes
import os
import select
import signal
import sys
import time

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SWEEP_SECONDS = 0.05


def prctl(option: int, value: int) -> None:
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def spawn(command: list[str]) -> int:
    """Start the command as the leader of a new session, without the keeper's standard input."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # the keeper itself may be killed
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    os._exit(127)


def signal_all(signum: int) -> None:
    for process in psutil.Process().children(recursive=True):
        try:
            process.send_signal(signum)
        except psutil.NoSuchProcess:
            continue  # it ended between the listing and the signal


class Children:
    """Reaps what ends, and remembers how the command itself ended."""

    def __init__(self, main: int) -> None:
        self.main = main
        self.status: int | None = None

    def reap(self) -> bool:
        """Collect every ended child; whether any child is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.main:
                code = os.waitstatus_to_exitcode(status)
                self.status = code if code >= 0 else 128 - code

    def end(self, grace: float) -> None:
        """SIGTERM to all, and from `grace` seconds on SIGKILL, until none is left."""
        deadline = time.monotonic() + grace
        orders = [0] if grace else []
        if grace:
            signal_all(signal.SIGTERM)
        while self.reap():
            if time.monotonic() >= deadline:
                signal_all(signal.SIGKILL)  # again each time: a fork may have escaped the last listing
            if select.select(orders, [], [], SWEEP_SECONDS)[0] and os.read(0, 1) != b"t":
                deadline, orders = 0.0, []


def main() -> int:
    grace, command = float(sys.argv[1]), sys.argv[2:]
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    for signum in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, lambda *_: None)
    children = Children(spawn(command))
    while children.reap() and children.status is None:
        ready = select.select([0, wake_read], [], [])[0]
        if 0 in ready:
            grace = grace if os.read(0, 1) == b"t" else 0.0
            break
        if set(os.read(wake_read, 64)) - {signal.SIGCHLD}:
            break
    children.end(grace)
    return 0 if children.status is None else children.status


if __name__ == "__main__":
    sys.exit(main())
