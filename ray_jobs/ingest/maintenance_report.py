"""What maintenance is told, and what it says that it found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ingest.report import Report
from ingest.schema import COLLECTIONS


class Orphan(StrEnum):
    """Why a row is one."""

    UNKNOWN = "unknown"
    SUPERSEDED = "superseded"
    FAILED = "failed"


ORPHANS_IN_WORDS = {
    Orphan.UNKNOWN: "not in the ledger",
    Orphan.SUPERSEDED: "of another version or other settings",
    Orphan.FAILED: "of an object that failed for good",
}


@dataclass(frozen=True, slots=True)
class MaintenanceOptions:
    """What `maintain` is told. `collection` is the prefix of the collections' names.

    Attributes:
        mend: mark objects with lost rows, so that the next run over them does them again.
        drop_old: drop the collections of models that are no longer searched; without it they are named.
        drop_staged: drop migrations that are not completed, as given up; without it they are named.
        compact: have the server merge segments and drop what was deleted.
    """

    milvus_uri: str
    collection: str = ""
    pipelines: tuple[str, ...] = tuple(COLLECTIONS)
    run_id: str = ""
    dry_run: bool = False
    mend: bool = False
    drop_old: bool = False
    drop_staged: bool = False
    compact: bool = True
    lease_seconds: float = 30.0


@dataclass(slots=True)
class MaintenanceReport(Report):
    """Objects are the ledger's: `changed` were marked, `failed` have lost rows and were not.

    Attributes:
        rows_checked: rows of the collections.
        rows_lost: rows that the ledger claims and that are not there.
        old_collections: found; they are dropped where that was asked for.
        staged_collections: of migrations that are not completed; they too.
        orphans: rows found, by reason; `rows_deleted` says how many of them were removed.
        lost_under: the longest folder that holds all objects with lost rows; None where there are none.
    """

    rows_checked: int = 0
    rows_lost: int = 0
    orphans: dict[Orphan, int] = field(default_factory=dict)
    lost_under: str | None = None
    old_collections: list[str] = field(default_factory=list)
    staged_collections: list[str] = field(default_factory=list)

    def summary(self) -> str:
        orphans = ", ".join(f"{count} {ORPHANS_IN_WORDS[reason]}" for reason, count in self.orphans.items())
        lines = [
            f"{self.pipeline} in {self.seconds:.1f} s",
            f"  checked  {self.listed} objects, {self.rows_checked} rows",
            f"  orphans  {sum(self.orphans.values())} rows{f' ({orphans})' if orphans else ''}, "
            + ("to be deleted" if self.dry_run else f"{self.rows_deleted} deleted"),
            f"  lost     {self.rows_lost} rows of {self.changed + self.failed} objects, "
            f"{self.changed} {'to be marked' if self.dry_run else 'marked'} to be done again",
        ]
        return "\n".join(lines)
