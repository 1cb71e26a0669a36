"""A proxy in front of an HTTP server that refuses, resets, cuts and holds answers where a test says so."""

import re
import socket
import struct
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

Fault = Literal["500", "503", "reset", "truncate", "stall"]
_TEXTS = {"500": ("Internal Server Error", "InternalError"), "503": ("Slow Down", "SlowDown")}


@dataclass
class Rule:
    """The next `times` requests whose "METHOD /path" matches get `fault`; fewer than zero: all of them."""

    pattern: re.Pattern[str]
    fault: Fault
    times: int = -1


class FaultProxy:
    """Serves at `url`, a thread a connection, one request each; the Host header stays, as SigV4 needs it.

    requests: "METHOD /path" of every request, faulty ones included.
    """

    def __init__(self, target_host: str, target_port: int) -> None:
        self._target = (target_host, target_port)
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[str] = []

    def add(self, pattern: str, fault: Fault, times: int = -1) -> None:
        with self._lock:
            self._rules.append(Rule(re.compile(pattern), fault, times))

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._released.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                self._answer(client)
        except OSError:
            return  # either side hung up

    def _answer(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(65536)
            if not data:
                return
            head += data
        first, rest = head.split(b"\r\n", 1)
        request = " ".join(first.decode().split(" ")[:2])
        fault = self._fault(request)
        if fault in ("500", "503"):
            reason, code = _TEXTS[fault]
            body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
            client.sendall(
                f"HTTP/1.1 {fault} {reason}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
                f"Connection: close\r\n\r\n{body}".encode()
            )
            return
        if fault == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        with socket.create_connection(self._target, timeout=60) as server:
            # Not among the headers that SigV4 signs; it makes the server's end of data the end of the answer.
            server.sendall(first + b"\r\nConnection: close\r\n" + re.sub(rb"(?i)connection: [^\r]*\r\n", b"", rest))
            threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
            if fault is None:
                while data := server.recv(65536):
                    client.sendall(data)
                return
            answer = b""
            while data := server.recv(65536):
                answer += data
            start = answer.index(b"\r\n\r\n") + 4
            client.sendall(answer[: start + (len(answer) - start) // 2])
            if fault == "stall":
                self._released.wait(120)
            # Closing alone would send nothing while a thread waits for more of the request.
            client.shutdown(socket.SHUT_RDWR)

    def _fault(self, request: str) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            for rule in self._rules:
                if rule.times and rule.pattern.search(request):
                    rule.times -= 1
                    return rule.fault
        return None

    @staticmethod
    def _pump(client: socket.socket, server: socket.socket) -> None:
        """The rest of the request's body."""
        try:
            while data := client.recv(65536):
                server.sendall(data)
        except OSError:
            return
