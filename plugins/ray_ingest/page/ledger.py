"""The ledger as the page reads it: which objects a filter means, and what their rows say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray_ingest.page.expressions import both, containing, literal, under

SOURCES = "sources"
LEASES = "leases"

STATUSES = ("ok", "failed")

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
    """

    pipeline: str = ""
    status: str = ""
    stage: str = ""
    error_type: str = ""
    prefix: str = ""
    name: str = ""
    since: int = 0

    @property
    def condition(self) -> str:
        """The expression for Milvus. With ``name`` it may choose too many: see ``chooses``."""
        fields = ("pipeline", "status", "stage", "error_type")
        equal = [f"{field} == {literal(getattr(self, field))}" for field in fields if getattr(self, field)]
        last_tried = f"updated_at >= {self.since}" if self.since else ""
        return both(*equal, under(self.prefix), last_tried, containing(self.name) if self.name else "")

    def chooses(self, source: str) -> bool:
        """Whether the name of an object that Milvus has found is one of these."""
        return self.name in source


def common_prefix(sources: list[str]) -> str:
    """The longest folder that all of these addresses are in; of one, its own folder."""
    if not sources:
        return ""
    first, last = min(sources), max(sources)
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[: first.rfind("/", 0, length) + 1]
