"""Write the files that repeat declarations of the job scripts: `uv run python tests/generate.py`.

The flags of the scripts are declared once, as `ingest.run.flags.Flag`, and the failures as
`ingest.common.failures.Failure`. From these come the tables in ray_jobs/README.md, the fields of the Dags' forms and
what the page in Airflow knows of failures, which Airflow reads without importing anything of the Ray side. The page has
copies of the modules that make expressions of filters, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from ingest.common.failures import MAX_ATTEMPTS, Failure
from ingest.maintenance import command_line as maintenance
from ingest.pipelines import images, pdfs, videos
from ingest.quality import command_line as quality
from ingest.run.flags import SWITCH, Flag
from ingest.run.shared_flags import CHANGE_FLAGS, RUN_FLAGS
from ingest.search import command_line as search
from ingest.service import command_line as service

REPOSITORY = Path(__file__).parents[1]

PIPELINES = {"pdfs": pdfs.FLAGS, "images": images.FLAGS, "videos": videos.FLAGS}

FORMS = REPOSITORY / "plugins" / "ray_ingest" / "flags.json"
FAILURES = REPOSITORY / "plugins" / "ray_ingest" / "page" / "failures.json"
REFERENCE = REPOSITORY / "ray_jobs" / "README.md"

COPIES = {"common/typed_values.py": "typed_values.py", "milvus/filters.py": "filters.py"}
"""Modules of the Ray side, and their copies for the page."""

IMPORTS = re.compile(
    r"from ingest\.common\.typed_values (import \([^)]*\)\n)from ingest\.milvus\.expressions (import literal\n)"
)
IMPORTS_OF_COPY = r"from ray_ingest.page.expressions \2from ray_ingest.page.typed_values \1"


def flag_table(flags: Iterable[Flag]) -> str:
    """A Markdown table of flags."""
    rows = ["| flag | meaning |", "|---|---|"]
    for flag in flags:
        value = " " + "\\|".join(flag.choices) if flag.choices else f" {flag.metavar}" if flag.metavar else ""
        name = f"--{flag.name}" + ("" if flag.type is SWITCH else f" [{value.strip()}]" if flag.const == "" else value)
        rows.append(f"| `{name}` | {flag.help_with_default.replace('|', '/')} |")
    return "\n".join(rows)


def failure_table() -> str:
    """A Markdown table of the failures."""
    rows = ["| type | stage | may pass | what to do |", "|---|---|---|---|"]
    rows += [
        f"| `{failure}` | {failure.stage} | {'yes' if failure.may_pass else 'no'} | {failure.advice} |"
        for failure in Failure
    ]
    return "\n".join(rows)


def flags_section() -> str:
    """The flags of all scripts, in one section per script."""
    parts = [("Flags of the three ingest scripts:", RUN_FLAGS)]
    parts += [(f"Flags of `ingest_{name}.py` beside these:", flags) for name, flags in PIPELINES.items()]
    parts.append(("Flags of `search.py`, beside one or more questions:", search.FLAGS))
    named = {flag.name for flag in search.FLAGS}
    parts.append(
        (
            "Flags of `measure_search.py`, beside those of `search.py` for Milvus, the models and filters:",
            [flag for flag in quality.FLAGS if flag.name == "json" or flag.name not in named],
        )
    )
    shared = {flag.name for flag in CHANGE_FLAGS}
    own = [flag for flag in maintenance.FLAGS if flag.name not in shared]
    names = ", ".join(f"`--{flag.name}`" for flag in CHANGE_FLAGS)
    parts.append((f"Flags of `maintain.py`, beside {names}:", own))
    parts.append(("Flags of `serve_search.py`:", service.FLAGS))
    return "\n\n".join(f"{title}\n\n{flag_table(flags)}" for title, flags in parts)


def replaced(text: str, name: str, content: str) -> str:
    """A document with other content between the two comments that name a generated part."""
    begin, end = f"<!-- {name}: made by tests/generate.py -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"there is no part {name!r} between {begin} and {end}")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def copies() -> dict[Path, str]:
    """The copies of COPIES, which say what they are."""
    found = {}
    for origin, copy in COPIES.items():
        text = (REPOSITORY / "ray_jobs" / "ingest" / origin).read_text(encoding="utf-8")
        note = f"# A copy of ray_jobs/ingest/{origin}, made by tests/generate.py.\n"
        found[FORMS.parent / "page" / copy] = note + IMPORTS.sub(IMPORTS_OF_COPY, text)
    return found


def generated() -> dict[Path, str]:
    """The content of every generated file."""
    forms = {
        name: [flag.form_field() for flag in flags if flag.title]
        for name, flags in {"run": RUN_FLAGS, **PIPELINES}.items()
    }
    failures = {"max_attempts": MAX_ATTEMPTS, "may_pass": [failure for failure in Failure if failure.may_pass]}
    reference = replaced(REFERENCE.read_text(encoding="utf-8"), "flags", flags_section())
    return {
        FORMS: json.dumps(forms, indent=2) + "\n",
        FAILURES: json.dumps(failures, indent=2) + "\n",
        REFERENCE: replaced(reference, "failures", failure_table()),
        **copies(),
    }


if __name__ == "__main__":
    for path, content in generated().items():
        path.write_text(content, encoding="utf-8")
