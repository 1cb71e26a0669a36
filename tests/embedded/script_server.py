"""The process behind `script_runner`: imports libraries, then forks for each script that it is asked to run.

    python -u script_server.py SOCKET LIBRARY ...

A request is a line of JSON on a connection to SOCKET: `command`, `environment`, and the paths of the two `outputs`. The
answer is the exit code. A watcher between this process and the script waits for its end.
"""

import atexit
import contextlib
import gc
import json
import os
import runpy
import signal
import socket
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn


def serve(path: str) -> dict[str, Any]:
    """Accept requests for ever; returns only in a process that was forked for one, with that request."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # reaps the watchers
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                break
            connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    line = connection.makefile().readline()
    if not line:
        os._exit(0)  # it only asked whether there is a server
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(BrokenPipeError):  # nobody waits any longer
            connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    connection.close()
    request: dict[str, Any] = json.loads(line)
    return request


def become(request: dict[str, Any]) -> None:
    """Turn this process into that of the script, and run it to its end."""
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, name in enumerate(request["outputs"], start=1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
    path, *arguments = request["command"]
    folder = "" if path == "-c" else str(Path(path).parent)
    sys.path[0:0] = [folder, *(each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each)]
    if path == "-c":
        program, *arguments = arguments
        sys.argv = ["-c", *arguments]
        exec(compile(program, "<string>", "exec"), sys.modules["__main__"].__dict__)
    else:
        sys.argv = [path, *arguments]
        runpy.run_path(path, run_name="__main__")


def exit_code(error: BaseException | None) -> int:
    """What Python makes of what ended a program; prints what it prints."""
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
    else:
        traceback.print_exception(error)
    return 1


def run(request: dict[str, Any], ending: list[int]) -> NoReturn:
    """Be the script, and end as Python does, but with the last step of `end`."""
    error: BaseException | None = None
    try:
        become(request)
    except BaseException as raised:
        error = raised
    ending.append(exit_code(error))
    sys.exit(ending[0])


def end(ending: list[int]) -> None:
    """End the process of a script before Python takes its modules down: some of theirs wait for ever there."""
    if ending:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ending[0])


if __name__ == "__main__":
    exit_codes: list[int] = []
    atexit.register(end, exit_codes)  # the first to be registered is the last to be called
    del sys.path[0]  # the modules beside this one are not for the libraries
    for name in sys.argv[2:]:
        import_module(name)
    gc.freeze()  # the forks share the memory of the libraries for longer
    run(serve(sys.argv[1]), exit_codes)
