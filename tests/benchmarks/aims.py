"""The figures that this project aims at, as they were last measured, and the page made of them: tests/aims.md."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peer_results import ENVIRONMENT, machine


@dataclass(frozen=True)
class Aim:
    """What a group of benchmarks measures.

    Attributes:
        heading: its name.
        tests: the files of the benchmarks.
        figure: what the figures are.
        goal: the aim.
        shortfall: why some figures are less than that; empty if none is.
    """

    heading: str
    tests: tuple[str, ...]
    figure: str
    goal: str
    shortfall: str = ""

    @property
    def paragraph(self) -> str:
        """All of it in sentences."""
        tests = " and ".join(f"`{test}`" for test in self.tests)
        return f"{self.figure} The aim: {self.goal}. Measured by {tests}. {self.shortfall}".rstrip()


AIMS = {
    "start": Aim(
        "Start-up",
        ("test_start_up.py",),
        "Seconds from the start of a job over one small PDF to its first row in Milvus.",
        "12, or 20 if the job starts Ray itself",
    ),
    "models": Aim(
        "Models on CPUs",
        ("test_cpu_models.py",),
        "Rate of this project over that of the library's own call, with the same weights on the same cores.",
        "1.4 for texts, 1.5 for OCR",
        "OCR spends its time in convolutions, and in full precision, so that a page has the same texts on every node. "
        "In them, OpenVINO is faster than RapidOCR's ONNX Runtime on a CPU with AMX (4.9 instead of 7.2 s a page), but "
        "not on this one.",
    ),
    "limit": Aim(
        "The pipelines against their limit",
        ("test_limits.py",),
        "T*/T: the least time in which all cores could do the work of models, parsers and Milvus, over the time taken.",
        "0.90",
        "Both cores are busy to the end (idle for less than 2 % of the time). What is missing is the work of Ray's "
        "services, of its processes and of the driver, a fifth of a core, which is a tenth of two; for images, what "
        "reading one and handing it on costs, as much as a small model needs for it; and what parts that were measured "
        "one after the other take from each other, of which nobody knows how much it is. Some files are parsed before "
        "T begins, while the models load.",
    ),
    "again": Aim(
        "Doing it again",
        ("test_diff_cost.py", "test_kept_cost.py"),
        "What a run costs after an earlier one. Nothing changed: its time over that of boto3's bare listing. One page "
        "changed in each document: the share of chunks that are embedded again, over the share of pages that changed. "
        "Other chunks: its time with kept parses over that without them.",
        "1.5 if nothing changed; 1 for a changed page",
    ),
    "write": Aim(
        "Writing",
        ("test_write_cost.py",),
        "Seconds of writing objects with their ledger rows, over those of a bare loop of `MilvusClient.upsert`.",
        "1.1",
    ),
    "large": Aim(
        "One large object on 64 CPUs",
        ("test_long_pdf.py", "test_long_recording.py"),
        "Share of the time in which the readers of a PDF, or the actors that transcribe a recording, were at work. "
        "These actors count from the moment in which each is ready: here, two cores start all of them.",
        "0.90",
        "One reader begins a PDF alone, and joins its pages at the end; two thirds of that is cutting them into "
        "chunks.",
    ),
}

FILE = Path(__file__).parents[1] / "aims.json"


class Figures:
    """The figures by aim and by what they were measured on, in a JSON file with a page beside it.

    Args:
        test: the name of the file of the benchmark that notes them.
    """

    def __init__(self, file: Path = FILE, test: str = "") -> None:
        self._file, self._test = file, test
        self._kept: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.exists() else {}

    def note(self, aim: str, name: str, figure: float, detail: str) -> None:
        """Keep a figure of one of AIMS and print it; it replaces an earlier one of the same name.

        Args:
            detail: what it is the ratio of, or what else was seen.
        """
        about = AIMS[aim]
        print(f"\n{about.heading}, {name}: {figure:.2f} (aim: {about.goal}); {detail}")
        entry = {"figure": round(figure, 2), "detail": detail, "machine": machine(), "test": self._test}
        self._kept.setdefault(aim, {})[name] = entry | {"day": f"{datetime.now(UTC):%Y-%m-%d}"}
        self._file.write_text(json.dumps(self._kept, indent=1) + "\n")
        self._file.with_suffix(".md").write_text(self.page())

    def unmeasured(self) -> list[str]:
        """The benchmarks of AIMS that no figure is from."""
        known = {found["test"] for figures in self._kept.values() for found in figures.values()}
        return [test for aim in AIMS.values() for test in aim.tests if test not in known]

    def page(self) -> str:
        """The page."""
        return str(PAGE.render(kept=self._kept, aims=AIMS))


PAGE = ENVIRONMENT.from_string("""\
# What is aimed at, and what was measured

The benchmarks make the tables of this page; each of them updates its own figures. What an aim is and why a figure falls
short of it is written by hand, with figures of November 2026. [peers.md](peers.md) compares this project with other
programs.
{% for name, aim in aims.items() if name in kept %}

## {{ aim.heading }}

{{ aim.paragraph | wordwrap(120, break_long_words=False) }}

| of | figure | detail | machine | day |
|---|---|---|---|---|
{% for of, found in kept[name].items() %}
| {{ of }} | {{ '%.2f' % found.figure }} | {{ found.detail }} | {{ found.machine }} | {{ found.day }} |
{% endfor %}
{% endfor %}
""")
