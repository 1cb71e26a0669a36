"""Start a process with a log file, wait until it serves, end it and everything it started.

Every process runs under `keeper.py`, which ends it with all its descendants on request and when this program dies.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psutil

KEEPER = Path(__file__).with_name("keeper.py")
TAIL_LINES = 25
# Settings of the user's own clusters, stores and Airflow must not leak into the embedded ones.
FOREIGN_PREFIXES = ("AIRFLOW", "AWS_", "MILVUS_", "RAY_", "WEED_")
# Where Python may not keep its bytecode, each of the many processes compiles thousands of modules anew: 15 s of CPU
# instead of 8 s for sentence_transformers alone, in every process that loads a model.
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


class StartError(RuntimeError):
    """A part did not begin to serve; the message ends with the tail of its log."""


class EndedError(StartError):
    """A part's process ended by itself before it served."""


def base_environment() -> dict[str, str]:
    """This program's environment without foreign settings, offline, with the virtual environment's commands first."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN_PREFIXES)}
    environment.pop(NO_BYTECODE, None)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    environment["NO_PROXY"] = environment["no_proxy"] = "127.0.0.1,localhost"
    environment["HF_HUB_OFFLINE"] = "1"
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def poll(check: Callable[[], Any], timeout: float, what: str, interval: float = 0.1) -> Any:
    """Call `check` until it returns something true, and return that.

    An OSError of `check` means "not yet". Raises TimeoutError, with `what` and the last OSError, after `timeout`
    seconds.
    """
    deadline = time.monotonic() + timeout
    reason = ""
    while True:
        try:
            if result := check():
                return result
        except OSError as error:
            reason = f" (last: {error})"
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s{reason}")
        time.sleep(interval)


def send(number: int, processes: Iterable[psutil.Process]) -> None:
    """Send one signal to processes that may end meanwhile."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


@contextlib.contextmanager
def ended_at_last(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Kill a process after the block if it still runs, as it does when the block failed."""
    try:
        yield
    finally:
        process.kill()
        process.wait()


def command_line(process: psutil.Process) -> list[str]:
    """Its words; none when it has ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # a zombie too
        return []


class Part(ABC):
    """One server of the platform. Addresses are known from the constructor on, and stay over restarts.

    Subclasses say which command to run and how to ask whether it serves. `folder` receives the data and the log.
    """

    name: str
    start_timeout: float = 60.0
    stop_grace: float = 5.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / f"{self.name}.log"
        self._keeper: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._ending = threading.Event()

    @abstractmethod
    def command(self) -> list[str]:
        """Program and arguments; called at every start."""

    @abstractmethod
    def serves(self) -> bool:
        """Whether requests are answered. An OSError means no."""

    def environment(self) -> Mapping[str, str]:
        """What the process gets on top of `base_environment()`."""
        return {}

    def prepare(self) -> None:
        """Write what the process needs before it starts."""

    def serving(self) -> None:
        """Called once per start, when the part serves."""

    def ended(self) -> None:
        """Called after each `stop` or `kill` of a started part, when no process is left."""

    def start(self) -> Self:
        """Start and wait until it serves. Raises StartError if it ends, is stopped or is too slow."""
        self.launch()
        return self.wait()

    def wait(self) -> Self:
        """Wait until what was launched serves. Raises StartError as `start` does."""
        try:
            poll(self._serves_or_raise, self.start_timeout, f"{self.name} does not serve")
            self.serving()
        except TimeoutError as error:
            self.kill()
            raise StartError(f"{error}\n{self.log_tail()}") from None
        except BaseException:
            self.kill()
            raise
        return self

    def launch(self) -> None:
        """Start the process without waiting for it to serve."""
        with self._lock:
            if self.running:
                raise StartError(f"{self.name} is running already")
            self._ending.clear()
            self.folder.mkdir(parents=True, exist_ok=True)
            self.prepare()
            with self.log.open("ab") as log:
                self._keeper = subprocess.Popen(
                    [sys.executable, "-I", str(KEEPER), str(self.stop_grace), *self.command()],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    env={**base_environment(), **self.environment()},
                    start_new_session=True,  # the terminal's Ctrl-C is for the owner, who then ends the parts in order
                )

    def _serves_or_raise(self) -> bool:
        keeper = self._keeper
        if self._ending.is_set() or keeper is None:
            raise StartError(f"{self.name} was stopped while it started")
        if (code := keeper.poll()) is not None:
            raise EndedError(f"{self.name} ended with exit code {code} before it served\n{self.log_tail()}")
        return self.serves()

    @property
    def running(self) -> bool:
        return self._keeper is not None and self._keeper.poll() is None

    def members(self) -> list[psutil.Process]:
        """Every process of this part that lives, the keeper first."""
        keeper = self._keeper
        if keeper is None or keeper.poll() is not None:
            return []
        try:
            process = psutil.Process(keeper.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def stop(self) -> None:
        """SIGTERM to every process, SIGKILL after `stop_grace` seconds; returns when none is left."""
        self._end(b"t", self.stop_grace)

    def kill(self) -> None:
        """SIGKILL every process at once; returns when none is left. The data stays: `start` takes it up again."""
        self._end(b"k", 0.0)

    def _end(self, order: bytes, grace: float) -> None:
        self._ending.set()
        with self._lock:
            keeper = self._keeper
            if keeper is None:
                return
            pipe: IO[bytes] | None = keeper.stdin
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # it has ended by itself
                pipe.write(order)
                pipe.flush()
            try:
                keeper.wait(grace + 10.0)
            except subprocess.TimeoutExpired:
                raise RuntimeError(f"{self.name}: processes are left: {self.members()}") from None
            finally:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
            self._keeper = None
            self.ended()

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of the log under a heading with its path."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join([f"--- the end of {self.log}", *text.splitlines()[-lines:]])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
