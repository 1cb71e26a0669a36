"""Results as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ingest.common.text import one_line
from ingest.quality.metrics import MEASURES
from ingest.quality.results import Result, compared, rows_of

_LONGEST = 40
"""Characters of the name of a group."""


def table(result: Result) -> str:
    """The means of a result."""
    rows = [
        [
            one_line(row.group, _LONGEST),
            row.search,
            str(row.questions),
            *(f"{row.scores[name]:.3f}" for name in MEASURES),
        ]
        for row in rows_of(result)
    ]
    return _aligned([["", "search", "questions", *MEASURES], *rows])


def comparison(before: Result, after: Result) -> str:
    """An earlier result and this one: what both have measured, and what only one of them has."""
    keys = [{question.key for question in result.questions} for result in (before, after)]
    lines = [
        f"before and after, of the {len(keys[0] & keys[1])} questions that both have "
        f"({len(keys[0] - keys[1])} were only asked before, {len(keys[1] - keys[0])} only now)",
        *_models(before.models, after.models),
    ]
    rows = [
        [
            one_line(change.group, _LONGEST),
            change.search,
            str(change.questions),
            *(f"{change.before[name]:.3f} -> {change.after[name]:.3f}" for name in MEASURES),
            str(change.better),
            str(change.worse),
        ]
        for change in compared(before, after)
    ]
    return "\n".join([*lines, _aligned([["", "search", "questions", *MEASURES, "better", "worse"], *rows])])


def _models(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """A line for each model that is not the same."""
    return [
        f"{name}: {before.get(name, 'none')} -> {after.get(name, 'none')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns: the first two to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
