"""Parsers that misbehave, for the sandbox's child: module-level functions that it can import."""

import ctypes
import os
import re
import sys
import time
from pathlib import Path

_kept = ""


def keep(value):
    global _kept
    _kept = value


def kept():
    return _kept


def process():
    return os.getpid()


def echo(data):
    return data


def segfault():
    ctypes.string_at(0)


def loop_in_python():
    while True:
        pass


def loop_in_c():
    return re.match(r"(a+)+$", "a" * 64 + "b")


def work_in_steps(steps, seconds):
    from ingest.common.sandbox_child import report_progress

    for _ in range(steps):
        time.sleep(seconds)
        report_progress()
    return steps


def begin_and_never_end():
    from ingest.common.sandbox_child import report_progress

    report_progress()
    loop_in_python()


def allocate(size):
    return len(bytearray(size))


def leave():
    os._exit(7)


def exit_politely():
    sys.exit("done")


def interrupt():
    raise KeyboardInterrupt


def raise_something_without_words():
    class Silent(Exception):
        def __str__(self):
            raise ValueError("no words")

    raise Silent


def give_what_cannot_be_sent():
    return lambda: None


def give_too_much():
    return b"x" * 600_000_000


def give_more_than_memory_holds():
    return bytearray(400_000_000)


def raise_something_that_cannot_be_sent():
    class Local(Exception):
        pass

    raise Local("only here")


def wait_for_ever(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(3600)


def wait_for_second_try(path):
    if Path(path).exists():
        return "done"
    return wait_for_ever(path)


def owner(path):
    """The program of a process that owns a sandbox: starts it, and waits in it."""
    from ingest.common.limits import Limits
    from ingest.common.sandbox import Sandbox

    Sandbox(keep, Limits(), "x").run(wait_for_ever, path)


if __name__ == "__main__":
    owner(sys.argv[1])
