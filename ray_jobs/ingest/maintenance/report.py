"""What maintenance is told, and what it says that it found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ingest.common.text import printable
from ingest.milvus.schema import COLLECTIONS
from ingest.run.report import Report


class Orphan(StrEnum):
    """Why a row is one."""

    SUPERSEDED = "superseded"
    FAILED = "failed"


ORPHANS_IN_WORDS = {
    Orphan.SUPERSEDED: "of another version or other settings",
    Orphan.FAILED: "of an object that failed for good",
}


@dataclass(frozen=True, slots=True)
class MaintenanceOptions:
    """What `maintain` is told. `collection` is the prefix of the collections' names.

    Attributes:
        mend: have the next run over them do objects again of which rows, or the entry in the ledger, are lost.
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
    """`listed` objects are the ledger's. Of those with losses `changed` were mended, and `failed` were not.

    Attributes:
        rows_checked: rows of the collections.
        rows_lost: rows that the ledger claims and that are not there.
        rows_unknown: rows of objects that the ledger does not know.
        old_collections: found; they are dropped where that was asked for.
        staged_collections: of migrations that are not completed; they too.
        orphans: rows found, by reason; `rows_deleted` says how many of them were removed.
        lost_under: the longest folder that holds all objects with losses; None where there are none.
    """

    rows_checked: int = 0
    rows_lost: int = 0
    rows_unknown: int = 0
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
            f"  lost     {self.rows_lost} rows; {self.rows_unknown} rows are of objects that the ledger does not know",
            f"  mend     {self.changed + self.failed} objects have losses, {self.changed} "
            f"{'to be marked' if self.dry_run else 'marked'} to be done again"
            + (f" by a run over {printable(self.lost_under)}" if self.lost_under and self.changed else ""),
        ]
        return "\n".join(lines)
