"""tests/peers.md and tests/peers.svg say what tests/peers.json holds."""

from pathlib import Path

import pytest

from benchmarks import peer_results
from benchmarks.peer_programs import OURS
from benchmarks.peer_results import Figure, Results
from benchmarks.peer_sets import SETS

KEPT = Path(__file__).with_name("peers.json")
NAMES = {name: about for name, (_, _, about) in SETS.items()}


@pytest.mark.parametrize("suffix", [".md", ".svg"])
def test_the_pages_are_made_of_the_kept_figures(suffix):
    assert KEPT.with_suffix(suffix).read_text() == Results(KEPT, NAMES).pages()[suffix]


def test_new_figures_of_a_set_replace_only_those_of_the_same_program_and_case(tmp_path):
    file = tmp_path / "peers.json"
    first = Results(file, NAMES)
    fast, slow = Figure(10, 20, 1, 500, 100, 0), Figure(40, 40, 1, 900, 100, 0)
    first.add("clean", {(OURS, "warm"): fast, ("loop", "warm"): slow}, rounds=3)
    first.write()
    second = Results(file, NAMES)
    second.add("clean", {(OURS, "warm"): fast, ("pool", "warm"): fast}, rounds=1)
    second.write()
    page = file.with_suffix(".md").read_text()
    assert "| loop | warm | 40 | 0.25 | 40 | 1 | 900 | 100 | 0 | 3 |" in page
    assert "| pool | warm | 10 | 1.0 | 20 | 1 | 500 | 100 | 0 | 1 |" in page
    assert page.count("| this project |") == 1


def test_figures_of_another_machine_stay_until_their_set_is_measured_anew(tmp_path, monkeypatch):
    file, fast = tmp_path / "peers.json", Figure(10, 20, 1, 500, 100, 0)
    monkeypatch.setattr(peer_results, "machine", lambda: "2 cores, Old")
    first = Results(file, NAMES)
    for name in ("clean", "speech"):
        first.add(name, {(OURS, "warm"): fast, ("loop", "warm"): fast}, rounds=3)
    first.write()
    monkeypatch.setattr(peer_results, "machine", lambda: "4 cores, New")
    second = Results(file, NAMES)
    second.add("clean", {(OURS, "warm"): fast}, rounds=1)
    second.write()
    clean, speech = file.with_suffix(".md").read_text().split("\n## speech\n")
    assert ("4 cores, New" in clean, "| loop |" in clean) == (True, False)
    assert ("2 cores, Old" in speech, "| loop |" in speech) == (True, True)
