"""The options and the report of maintenance."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ingest.common.text import printable
from ingest.milvus.schema import COLLECTIONS
from ingest.run.report import Report


class Orphan(StrEnum):
    """Why a row is an orphan."""

    SUPERSEDED = "superseded"
    FAILED = "failed"


ORPHANS_IN_WORDS = {
    Orphan.SUPERSEDED: "of another version or other settings",
    Orphan.FAILED: "of an object that failed permanently",
}


@dataclass(frozen=True, slots=True)
class MaintenanceOptions:
    """Options of `maintain`.

    Attributes:
        collection: prefix of the collections' names.
        mend: make the next run process objects again whose rows, or whose ledger entries, are lost.
        drop_old: drop obsolete collections; they are always reported.
        drop_staged: drop unfinished migrations; they are always reported.
        compact: make the server merge segments and free the space of deleted rows.
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
    """`listed` counts the objects in the ledger; of those with losses, `changed` were mended and `failed` were not.

    Attributes:
        rows_checked: number of rows in the collections.
        rows_lost: number of rows that the ledger claims and that do not exist.
        rows_unknown: number of rows of objects that are not in the ledger.
        old_collections: obsolete collections, which were dropped if `drop_old` was set.
        staged_collections: collections of unfinished migrations, which were dropped if `drop_staged` was set.
        orphans: number of orphans by reason; `rows_deleted` counts those that were deleted.
        lost_under: the longest folder that contains all objects with losses; None if there are none.
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
            f"  lost     {self.rows_lost} rows; {self.rows_unknown} rows are of objects that are not in the ledger",
            f"  mend     {self.changed + self.failed} objects have losses, {self.changed} "
            f"{'to be marked' if self.dry_run else 'marked'} to be processed again"
            + (f" by a run over {printable(self.lost_under)}" if self.lost_under and self.changed else ""),
        ]
        return "\n".join(lines)
