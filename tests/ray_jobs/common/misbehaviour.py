"""Misbehaving parsers for the child of the sandbox, which imports these module-level functions."""

import ctypes
import os
import re
import sys
import time
from pathlib import Path

from ingest.common.sandbox_child import ask_parent, memory_unlimited, parent_answers

_kept = ""
_left = []


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


def report_progress_once_and_never_end():
    from ingest.common.sandbox_child import report_progress

    report_progress()
    loop_in_python()


def allocate(size):
    return len(bytearray(size))


def leave_behind(size):
    _left.append(bytearray(size))


def leave_behind_unlimited(size):
    with memory_unlimited():
        leave_behind(size)


def allocate_unlimited(size):
    with memory_unlimited():
        return allocate(size)


def exit_at_once():
    os._exit(7)


def raise_system_exit():
    sys.exit("done")


def raise_keyboard_interrupt():
    raise KeyboardInterrupt


def raise_an_error_without_text():
    class Silent(Exception):
        def __str__(self):
            raise ValueError("no words")

    raise Silent


def return_an_unpicklable_result():
    return lambda: None


def return_too_much():
    return b"x" * 600_000_000


def return_more_than_the_memory_holds():
    return bytearray(400_000_000)


def raise_an_unpicklable_error():
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
    """The main function of a process that owns a sandbox: it starts the sandbox and waits in it."""
    from ingest.common.limits import Limits
    from ingest.common.sandbox import Sandbox

    Sandbox(keep, Limits(), "x").run(wait_for_ever, path)


if __name__ == "__main__":
    import misbehaviour  # the child can import its functions from a module of that name only

    misbehaviour.owner(sys.argv[1])


def ask(question):
    return parent_answers(), ask_parent(question)


def is_answered():
    return parent_answers()
