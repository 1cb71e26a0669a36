"""The ledger as the page reads it: which objects a filter means, and what their rows say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray_ingest.page.expressions import both, containing, literal, literals, under
from ray_ingest.page.filters import Condition, Filter, expression

SOURCES = "sources"
LEASES = "leases"

STATUSES = ("ok", "failed")

OF_ROWS = ("date", "kind", "language")
"""Names in conditions whose values the ledger does not have: rows get them from several places."""

ROW_FIELDS = (
    "source", "pipeline", "version", "size", "status", "rows", "stage", "error_type", "error_message", "attempts",
    "fingerprint", "run_id", "updated_at",
)  # fmt: skip
"""All fields of a row of the ledger but its vector and its metadata; `updated_at` is in milliseconds since 1970."""

_FAILURES: dict[str, Any] = json.loads((Path(__file__).parent / "failures.json").read_text(encoding="utf-8"))
MAX_ATTEMPTS: int = _FAILURES["max_attempts"]
_MAY_PASS = frozenset(_FAILURES["may_pass"])


def may_pass(error_type: str) -> bool:
    """Whether runs try an object again by themselves, up to MAX_ATTEMPTS times, that has failed in this way."""
    return error_type in _MAY_PASS


@dataclass(frozen=True)
class Objects:
    """A choice of objects in the ledger; an empty field leaves the choice open.

    :param prefix: the beginning of their addresses.
    :param name: a part of their addresses.
    :param since: of their last try, in milliseconds since 1970.
    :param conditions: on what their owners say about them, and on their pipeline: see ``check_conditions``.
    """

    pipeline: str = ""
    status: str = ""
    stage: str = ""
    error_type: str = ""
    prefix: str = ""
    name: str = ""
    since: int = 0
    conditions: Filter = ()

    @property
    def condition(self) -> str:
        """The expression for Milvus. With ``name`` it may choose too many: see ``chooses``."""
        fields = ("pipeline", "status", "stage", "error_type")
        equal = [f"{field} == {literal(getattr(self, field))}" for field in fields if getattr(self, field)]
        last_tried = f"updated_at >= {self.since}" if self.since else ""
        named = containing(self.name) if self.name else ""
        return both(*equal, under(self.prefix), last_tried, named, *map(_of_entries, self.conditions))

    def chooses(self, source: str) -> bool:
        """Whether the name of an object that Milvus has found is one of these."""
        return self.name in source


def check_conditions(conditions: Filter) -> Filter:
    """The conditions, all of which the ledger's rows can fulfil. Raises ``ValueError`` with a sentence."""
    for condition in conditions:
        if condition.name in OF_ROWS:
            raise ValueError(
                f"{condition.name} is known of pages, passages and pictures alone, where the search takes it; objects "
                "have what their owners say about them, and pipeline"
            )
    return conditions


def _of_entries(condition: Condition) -> str:
    if condition.name == "pipeline":
        return f"pipeline {'in' if condition.operator == '=' else 'not in'} {literals(map(str, condition.values))}"
    # The owner's values are at the same place in the rows of all collections.
    return expression((condition,), "documents") or ""


def common_prefix(sources: list[str]) -> str:
    """The longest folder that all of these addresses are in; of one, its own folder."""
    if not sources:
        return ""
    first, last = min(sources), max(sources)
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[: first.rfind("/", 0, length) + 1]
