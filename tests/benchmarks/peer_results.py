"""The kept figures of the peers, and the pages that are made of them: tests/peers.md and tests/peers.svg."""

import json
import os
import platform
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2

from benchmarks.peer_programs import OURS

CASES = ("cold", "warm", "unchanged", "changed", "deleted")
BAR, GAP, LABELS, WIDTH = 18, 4, 200, 560
"""Pixels of the plot: height of a bar, space below it, width of the names, width of the longest bar."""


@dataclass(frozen=True)
class Figure:
    """What a run took.

    Attributes:
        seconds: wall time.
        cpu: CPU seconds of the program and of Ray.
        milvus_cpu: CPU seconds of Milvus.
        peak: MiB of memory of the program and of Ray.
        rows: rows in the collection afterwards.
        others: cores that other programs kept busy meanwhile: the wall time means little unless it is near 0.
    """

    seconds: float
    cpu: float
    milvus_cpu: float
    peak: float
    rows: float
    others: float

    def values(self) -> tuple[float, ...]:
        return astuple(self)

    def line(self) -> str:
        return (
            f"{self.seconds:6.1f} s, {self.cpu:6.1f} CPU s, Milvus {self.milvus_cpu:5.1f} CPU s, "
            f"{self.peak:5.0f} MiB, {self.rows:.0f} rows, others {self.others:.2f} cores"
        )


class Results:
    """The figures by set, program and case, in a JSON file, with pages beside it.

    Args:
        file: figures of a set in it that another machine has measured are dropped with its first new ones.
        names: the names of all sets, in their order, with a sentence about each.
    """

    def __init__(self, file: Path, names: dict[str, str]) -> None:
        self._file, self._names = file, names
        self._kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}

    def add(self, set_: str, figures: dict[tuple[str, str], Figure], rounds: int) -> None:
        """Keep the figures of one run over a set, by program and case.

        `ratio` is the wall time of this project in the same case over that of the program.
        """
        kept = self._kept.get(set_)
        if kept is None or kept["machine"] != machine():
            kept = self._kept[set_] = {"machine": machine(), "programs": {}}
        whole = "warm" if rounds else "cold"
        for (program, case), figure in figures.items():
            entry: dict[str, Any] = {name: round(value, 1) for name, value in asdict(figure).items()}
            entry["ratio"] = round(figures[OURS, case].seconds / figure.seconds, 2)
            entry |= {"runs": max(rounds, 1) if case == whole else 1, "day": f"{datetime.now(UTC):%Y-%m-%d}"}
            kept["programs"].setdefault(program, {})[case] = entry

    def write(self) -> None:
        """Write the file and its pages."""
        self._file.write_text(json.dumps(self._kept, indent=1) + "\n")
        for suffix, text in self.pages().items():
            self._file.with_suffix(suffix).write_text(text)

    def pages(self) -> dict[str, str]:
        """The pages by the suffixes of their files."""
        bars = self._bars()
        page = PAGE.render(kept=self._kept, names=self._names, cases=CASES)
        return {".md": page, ".svg": PLOT.render(bars=bars, **plot_sizes(bars))}

    def _bars(self) -> list[dict[str, Any]]:
        """The bars of the plot from top to bottom: the wall time of each program over this project's, by set."""
        bars: list[dict[str, Any]] = []
        for name in self._names:
            programs = self._kept.get(name, {"programs": {}})["programs"]
            found = [(1 / max(cases[best]["ratio"], 0.01), program) for program, cases in programs.items()
                     if (best := "warm" if "warm" in cases else "cold")]  # fmt: skip
            for times, program in sorted(found):
                bars.append({"set": name, "program": program, "times": times, "ours": program == OURS})
        return bars


def plot_sizes(bars: list[dict[str, Any]]) -> dict[str, float]:
    """The numbers of the plot beside its bars."""
    scale = WIDTH / max([1.0, *(bar["times"] for bar in bars)])
    heads = len({bar["set"] for bar in bars})
    height = (len(bars) + heads) * (BAR + GAP) + 2 * BAR
    return {"scale": scale, "height": height, "bar": BAR, "gap": GAP, "labels": LABELS, "width": LABELS + WIDTH + 60}


def machine() -> str:
    """The number of cores and the processor's name."""
    name = platform.processor()
    if (info := Path("/proc/cpuinfo")).exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        name = names[0] if names else name
    return f"{os.cpu_count()} cores, {name}"


ENVIRONMENT = jinja2.Environment(
    trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False
)

PAGE = ENVIRONMENT.from_string("""\
# This project and its peers

`tests/benchmarks/test_peers.py` makes this page, and says how it measures. Each program is measured from the
start of its process to its end. `ratio` is the wall time of this project over that of the program, in the same run:
below 1, this project is faster. Rows may be of different runs, so that two times of the table need not have this ratio.
`other cores` is how many cores other programs kept busy meanwhile.

The aim is 0.75 of the fastest program, and 1 for the 101 photos. In November 2026, `speech` misses it: of 74
core-seconds, 49 are transcription, which a pool of processes does on all cores, too, and which here also finds the time
of each word; the others start the processes of the stages.

![Wall time of each program over that of this project](peers.svg)
{% for set, sentence in names.items() if set in kept %}

## {{ set }}

{{ sentence }} Machine: {{ kept[set].machine }}.

| program | case | wall s | ratio | CPU s | CPU s of Milvus | peak MiB | rows | other cores | runs |
|---|---|---|---|---|---|---|---|---|---|
{% for case in cases %}
{% for program, found in kept[set].programs.items() if case in found %}
{% set f = found[case] %}
| {{ program }} | {{ case }} | {{ f.seconds }} | {{ f.ratio }} | {{ f.cpu }} | {{ f.milvus_cpu }} | \
{{ f.peak | int }} | {{ f.rows | int }} | {{ f.others }} | {{ f.runs }} |
{% endfor %}
{% endfor %}
{% endfor %}
""")

PLOT = ENVIRONMENT.from_string("""\
<svg xmlns="http://www.w3.org/2000/svg" width="{{ width }}" height="{{ height }}" \
font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
{% set place = namespace(y=gap, set="") %}
{% for one in bars %}
{% if one.set != place.set %}
<text x="4" y="{{ place.y + bar - 4 }}" font-weight="bold">{{ one.set }}: wall time, this project = 1</text>
{% set place.y = place.y + bar + gap %}
{% set place.set = one.set %}
{% endif %}
<text x="{{ labels - 6 }}" y="{{ place.y + bar - 5 }}" text-anchor="end">{{ one.program }}</text>
<rect x="{{ labels }}" y="{{ place.y }}" width="{{ (one.times * scale) | round(1) }}" height="{{ bar }}" \
fill="{{ '#2563eb' if one.ours else '#9ca3af' }}"/>
<text x="{{ (labels + one.times * scale + 6) | round(1) }}" y="{{ place.y + bar - 5 }}">{{ '%.2f' % one.times }}</text>
{% set place.y = place.y + bar + gap %}
{% endfor %}
</svg>
""")
