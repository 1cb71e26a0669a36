"""The demo as a person meets it: a program of its own, its output, its exit code, and what it leaves behind."""

import io
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from demo import DemoError, check
from embedded.processes import poll
from embedded.progress import Progress

REPOSITORY = Path(__file__).parent.parent
WHOLE_SECONDS = 240.0  # on two cores that have nothing else to do
WHOLE_LIMIT = 600.0  # on two cores that are shared with the other tests' servers
FIRST_LINE_SECONDS = 2.0
LONGEST_SILENCE_SECONDS = 10.0
CTRL_C_SECONDS = 20.0

pytestmark = [pytest.mark.tier("airflow"), pytest.mark.xdist_group("airflow")]


class Demo:
    """A running demo, and the second (of its age) at which each line came."""

    def __init__(self, *arguments: str) -> None:
        self._began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, str(REPOSITORY / "tests" / "demo.py"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.lines: list[tuple[float, str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((time.monotonic() - self._began, line.rstrip()))

    @property
    def output(self) -> str:
        return "\n".join(line for _, line in self.lines)

    @property
    def folder(self) -> str:
        """The demo's own folder: every process of its parts has it in its environment, command line or cwd."""
        found = re.search(r"Logs and data are in (\S+)", self.output)
        assert found, self.output
        return found[1]

    def wait(self, timeout: float) -> int:
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait(CTRL_C_SECONDS)
            raise AssertionError(f"the demo did not end within {timeout:g} s\n{self.output}") from None
        self._reader.join(10)
        return code

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> None:
        os.kill(self.process.pid, signal.SIGINT)


def processes_of(folder: str) -> list[psutil.Process]:
    """Processes that name the folder in their command line, work in it, or keep one of its files open."""
    found = []
    for process in psutil.process_iter():
        try:
            files = [file.path for file in process.open_files()]
            if any(folder in text for text in [*process.cmdline(), process.cwd(), *files]):
                found.append(process)
        except psutil.Error:
            continue  # it ended, or is not ours to look at
    return found


def says(text: str) -> Callable[[Demo], bool]:
    return lambda demo: text in demo.output


@pytest.fixture(scope="module")
def whole() -> Demo:
    """A demo that ran to its end."""
    demo = Demo()
    code = demo.wait(WHOLE_LIMIT)
    assert code == 0, demo.output
    return demo


@pytest.mark.nightly
@pytest.mark.timeout(WHOLE_LIMIT + 60)
def test_the_whole_demo_leaves_nothing(whole: Demo) -> None:
    assert re.search(r"http://127\.0\.0\.1:\d+ +user admin +password \S+", whole.output)
    assert "Traceback" not in whole.output
    assert processes_of(whole.folder) == []
    assert not Path(whole.folder).exists()


class Runs:
    """Stands in for an Airflow that has runs in some states."""

    def __init__(self, **states: str) -> None:
        self._states = states

    def api(self, method: str, path: str) -> dict[str, object]:
        return {"dag_runs": [{"dag_id": "d", "dag_run_id": run, "state": self._states[run]} for run in self._states]}


def test_a_run_that_did_not_succeed_fails_the_demo() -> None:
    out = io.StringIO()
    with Progress(out) as progress:
        check(SimpleNamespace(airflow=Runs(a="success")), 7, progress)
        assert "all 1 runs in Airflow succeeded" in out.getvalue()
        with pytest.raises(DemoError, match="'d b': 'failed'"):
            check(SimpleNamespace(airflow=Runs(a="success", b="failed")), 7, progress)


@pytest.mark.benchmark
@pytest.mark.timeout(WHOLE_LIMIT + 60)
def test_the_demo_is_quick_and_never_silent(whole: Demo) -> None:
    times = [0.0, *(second for second, _ in whole.lines)]
    longest = max(later - earlier for earlier, later in itertools.pairwise(times))
    print(f"\nfirst line {times[1]:.1f} s, whole run {times[-1]:.0f} s, longest silence {longest:.1f} s")
    assert times[1] <= FIRST_LINE_SECONDS
    assert times[-1] <= WHOLE_SECONDS
    assert longest <= LONGEST_SILENCE_SECONDS


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(says("starting"), id="while the parts start"),
        pytest.param(says("the model is loading"), id="while a run is going on", marks=pytest.mark.chaos),
    ],
)
def test_ctrl_c_leaves_nothing(moment: Callable[[Demo], bool]) -> None:
    demo = Demo()
    poll(lambda: moment(demo) or demo.process.poll() is not None, 200, "the moment did not come")
    poll(lambda: len(demo.descendants()) >= 8, 30, "the parts did not start")
    descendants = demo.descendants()
    began = time.monotonic()
    demo.interrupt()
    code = demo.wait(CTRL_C_SECONDS)
    assert time.monotonic() - began <= CTRL_C_SECONDS
    assert code == 130, demo.output
    assert "Traceback" not in demo.output
    _, alive = psutil.wait_procs(descendants, timeout=1)
    assert alive == []
    assert processes_of(demo.folder) == []
    assert not Path(demo.folder).exists()
