"""The demo's progress: a table on a terminal, lines elsewhere, and a sign of life when nothing changes."""

import io

import pytest

from embedded import progress as module
from embedded.processes import poll
from embedded.progress import Progress


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_without_a_terminal_each_change_is_one_plain_line():
    out = io.StringIO()
    with Progress(out) as progress:
        progress.step("ray", "starting")
        progress.step("ray", "starting")
        progress.end("ray", "up")
        progress.show("[bold] is no markup here")
    lines = out.getvalue().splitlines()
    assert [line.split("]  ")[-1].split() for line in lines[:1]] == [["ray", "starting"]]
    assert "ray" in lines[1] and "up  (" in lines[1]
    assert lines[2:] == ["[bold] is no markup here"]
    assert "\033" not in out.getvalue()


def test_without_a_terminal_silence_is_broken_by_the_steps_that_go_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)
    out = io.StringIO()
    with Progress(out) as progress:
        progress.step("milvus", "starting")
        progress.end("milvus", "up")
        progress.step("ray", "starting")
        progress.step("airflow", "starting")
        poll(lambda: "still going on: ray, airflow\n" in out.getvalue(), 10, "no sign of life")


def test_a_failed_step_says_so():
    out = io.StringIO()
    with Progress(out) as progress:
        progress.step("pdfs", "running")
        progress.end("pdfs", "exit code 2", failed=True)
    assert "FAILED: exit code 2" in out.getvalue()


def test_a_terminal_shows_one_table_with_the_latest_state_of_each_step(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    with Progress(out) as progress:
        progress.step("ray", "starting")
        progress.step("airflow", "starting")
        progress.end("ray", "up")
        progress.end("airflow", "ended by itself", failed=True)
        progress.show("the end")
    table, end = out.getvalue().split("the end")
    last = table[table.rindex("ray") :]
    assert "up" in last and "ended by itself" in last and "starting" not in last
    assert "✓" in table and "✗" in table
    assert "ray" not in end
