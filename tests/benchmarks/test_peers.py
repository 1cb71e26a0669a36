"""This project beside the programs that people write today for the same files, models and Milvus, in one run.

    uv run pytest -n 0 -s -m benchmark tests/benchmarks/test_peers.py

Each program is a process of its own, and its whole life counts. It gets the objects of a set below a prefix of their
own and a fresh Milvus Lite server; where it needs Ray, an idle head already runs, and otherwise none. A time counts
when the program has rows of every object of which this project has rows, and the same vectors for equal texts.

`cold` is the first run on a node: no model has been converted on it yet, and its Ray has run no job. `warm` is
the median of the later runs, in which the programs take turns, with a Ray head that has run a job of Ray Data. The
programs that know what they have ingested also run again over the same objects, over 5 % changed ones, and after 5 %
were deleted.

The figures of a set replace the earlier ones in tests/peers.json, of which tests/peers.md and tests/peers.svg are made.
Variables choose more: PEERS_SETS and PEERS take names with commas between them or `all`, PEERS_ROUNDS the number of
warm runs (1), PEERS_FILES that of one-page PDFs (1,500). PEERS_COLD=0 leaves the cold run out (this project then uses
the models that were converted before), PEERS_RERUNS=0 the reruns. PEERS_TRACE names a folder for the samples of each
run.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from benchmarks.peer_bench import Bench
from benchmarks.peer_programs import OURS, PROGRAMS
from benchmarks.peer_results import Figure, Results
from benchmarks.peer_sets import SETS, corpus_files, one_page_pdfs

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(6 * 3600)]

REPOSITORY = Path(__file__).parents[2]

DEFAULT_PROGRAMS = "ours,serial"
DEFAULT_SETS = "clean,many"


def chosen(variable: str, default: str, everything: dict[str, Any]) -> list[str]:
    names = os.environ.get(variable, default)
    return list(everything) if names == "all" else names.split(",")


ROUNDS = int(os.environ.get("PEERS_ROUNDS", 1))
COLD = os.environ.get("PEERS_COLD", "1") != "0"
RERUNS = os.environ.get("PEERS_RERUNS", "1") != "0"
DEFAULT_FILES = 1500
FILES = int(os.environ.get("PEERS_FILES", DEFAULT_FILES))


@pytest.fixture(scope="module")
def results() -> Iterator[Results]:
    """The kept figures; pages are made of them at the end."""
    kept = Results(REPOSITORY / "tests" / "peers.json", {name: about for name, (_, _, about) in SETS.items()})
    yield kept
    kept.write()


@pytest.fixture(scope="module")
def models(minilm_path: str, clip_path: str, whisper_path: str) -> dict[str, str]:
    return {"text_model": minilm_path, "clip_model": clip_path, "whisper_model": whisper_path}


@pytest.mark.parametrize("name", chosen("PEERS_SETS", DEFAULT_SETS, SETS))
def test_peers(name, request, subtests, results, models, object_store, tmp_path):
    kind, pattern, _ = SETS[name]
    files = dict(one_page_pdfs(FILES))
    if pattern:
        files = corpus_files(request.getfixturevalue("corpus"), name)
    programs = {}
    for key in dict.fromkeys(["ours", *chosen("PEERS", DEFAULT_PROGRAMS, PROGRAMS)]):
        if kind not in PROGRAMS[key].kinds:
            continue
        with subtests.test(key):
            if reason := PROGRAMS[key].missing():
                pytest.skip(reason)
            programs[key] = PROGRAMS[key]
    bench = Bench(name, kind, files, models, object_store, tmp_path)
    found: dict[tuple[str, str], list[Figure]] = {}
    if COLD:
        bench.forget_models()
    for round_ in range(0 if COLD else 1, ROUNDS + 1):
        for key in (*programs,) if round_ % 2 == 0 else (*reversed(programs),):
            reruns = RERUNS and round_ == ROUNDS
            for case, figure in bench.run(programs[key], cold=round_ == 0, reruns=reruns):
                found.setdefault((key, case), []).append(figure)
                print(f"\n{name:8} {programs[key].name:16} {case:10} {figure.line()}", end="", flush=True)
    bench.check_rows(programs.values())
    medians = {(programs[key].name, case): middle(figures) for (key, case), figures in found.items()}
    if pattern or FILES == DEFAULT_FILES:
        results.add(name, medians, ROUNDS)
    for (program, case), figure in medians.items():
        ratio = medians[OURS, case].seconds / figure.seconds
        print(f"\n{name:8} {case}: this project / {program}: {ratio:.2f}", end="")
    print()


def middle(figures: list[Figure]) -> Figure:
    """The medians of several runs."""
    return Figure(*(median(values) for values in zip(*(figure.values() for figure in figures), strict=True)))
