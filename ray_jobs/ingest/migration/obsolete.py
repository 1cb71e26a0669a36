"""Obsolete collections, which searches no longer use after a change of the model, and unfinished migrations.

Obsolete collections are kept as a way back, and an abandoned migration looks like one that the next run continues. So
both are only reported, and dropped if a person asks for it. The caller holds the lease of the whole pipeline and has
completed any interrupted switch, so searches use none of these collections.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.migration.generations import UNKNOWN_MODEL, Names, model_of
from ingest.milvus.client import TIMEOUT, alias_target
from ingest.milvus.expressions import literal

if TYPE_CHECKING:
    from pymilvus import MilvusClient


@dataclass(frozen=True, slots=True)
class UnfinishedMigration:
    """A migration that has not switched searches to its collections.

    Attributes:
        rows: the collections that it builds; they may not exist yet.
        staging: its staging ledger.
        model: the model that it builds them with.
        staged, known: numbers of objects that are done in the staging ledger and in the ledger.
    """

    rows: tuple[str, ...]
    staging: str
    model: str
    staged: int
    known: int


def obsolete_collections(client: MilvusClient, names: Names) -> list[str]:
    """Collections of other models that are neither searched nor being built, and ledgers with shorter vectors."""
    existing = set(client.list_collections(timeout=TIMEOUT))
    rows = re.compile(rf"(?:{'|'.join(map(re.escape, names.public))})(_[0-9a-f]{{8}})")
    found = []
    for name in sorted(existing):
        match = rows.fullmatch(name)
        if match and name not in names.rows and f"{names.ledger}_{names.pipeline}{match[1]}" not in existing:
            found.append(name)
    outgrown = re.compile(rf"{re.escape(names.ledger)}_d[0-9]+")
    ledger = alias_target(client, names.ledger)
    return found + sorted(name for name in existing if outgrown.fullmatch(name) and name != ledger)


def unfinished_migrations(client: MilvusClient, names: Names) -> list[UnfinishedMigration]:
    """Migrations that have started and are not complete. `names` is the generation that searches use."""
    staging = re.compile(rf"{re.escape(names.ledger)}_{names.pipeline}(_[0-9a-f]{{8}})")
    found = []
    for name in sorted(client.list_collections(timeout=TIMEOUT)):
        match = staging.fullmatch(name)
        if not match or name == names.staging:  # names.staging belongs to an interrupted switch
            continue
        rows = tuple(public + match[1] for public in names.public)
        exists = client.has_collection(rows[0], timeout=TIMEOUT)
        model = model_of(client, rows[0]) if exists else UNKNOWN_MODEL
        staged, known = (_done(client, ledger, names.pipeline) for ledger in (name, names.ledger))
        found.append(UnfinishedMigration(rows, name, model, staged, known))
    return found


def drop_migration(client: MilvusClient, migration: UnfinishedMigration) -> None:
    """Drop the collections of a migration.

    Its ledger is dropped first: rows without a staging ledger are an obsolete collection, and the next migration starts
    anew, but a staging ledger without its rows would claim rows that do not exist.
    """
    client.drop_collection(migration.staging, timeout=TIMEOUT)
    for rows in migration.rows:
        client.drop_collection(rows, timeout=TIMEOUT)


def _done(client: MilvusClient, ledger: str, pipeline: str) -> int:
    """The number of objects that are done according to a ledger."""
    client.load_collection(ledger, timeout=TIMEOUT)
    condition = f'pipeline == {literal(pipeline)} and status == "ok"'
    (row,) = client.query(
        ledger, filter=condition, output_fields=["count(*)"], consistency_level="Strong", timeout=TIMEOUT
    )
    return int(row["count(*)"])
