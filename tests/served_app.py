"""A web application on loopback, in a thread of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from embedded.ports import free_ports
from embedded.processes import poll


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The URL of an application that a web server of its own serves on loopback."""
    (port,) = free_ports(1)
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        poll(lambda: server.started, 30, "the web server does not start", interval=0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
