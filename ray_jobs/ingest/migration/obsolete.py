"""What changes of the model leave behind: collections that are no longer searched, and migrations not completed.

The first are kept as a way back, and a migration that was given up looks like one whose next run is to come. So both
are named, and dropped only where a person asks for it. The caller holds the lease of the whole pipeline, and has
completed a switch that was cut off: what is searched is none of these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.migration.generations import Names, model_of
from ingest.milvus.client import TIMEOUT, alias_target
from ingest.milvus.expressions import literal

if TYPE_CHECKING:
    from pymilvus import MilvusClient


@dataclass(frozen=True, slots=True)
class Migration:
    """One that has not switched searches to its collection.

    Attributes:
        rows: the collections that it builds, which may not be there yet.
        staging: its ledger.
        model: what it builds it with.
        staged, known: objects that are done in it, and in what is searched.
    """

    rows: tuple[str, ...]
    staging: str
    model: str
    staged: int
    known: int


def obsolete_collections(client: MilvusClient, names: Names) -> list[str]:
    """Collections of other models that are neither searched nor being built, and ledgers that were outgrown."""
    there = set(client.list_collections(timeout=TIMEOUT))
    rows = re.compile(rf"(?:{'|'.join(map(re.escape, names.public))})(_[0-9a-f]{{8}})")
    found = []
    for name in sorted(there):
        match = rows.fullmatch(name)
        if match and name not in names.rows and f"{names.ledger}_{names.pipeline}{match[1]}" not in there:
            found.append(name)
    outgrown = re.compile(rf"{re.escape(names.ledger)}_d[0-9]+")
    ledger = alias_target(client, names.ledger)
    return found + sorted(name for name in there if outgrown.fullmatch(name) and name != ledger)


def unfinished_migrations(client: MilvusClient, names: Names) -> list[Migration]:
    """Those that have begun and are not completed. `names` are those that are searched."""
    staging = re.compile(rf"{re.escape(names.ledger)}_{names.pipeline}(_[0-9a-f]{{8}})")
    found = []
    for name in sorted(client.list_collections(timeout=TIMEOUT)):
        match = staging.fullmatch(name)
        if not match or name == names.staging:  # the latter is of a switch that was cut off
            continue
        rows = tuple(public + match[1] for public in names.public)
        is_there = client.has_collection(rows[0], timeout=TIMEOUT)
        model = model_of(client, rows[0]) if is_there else "of unknown name"
        staged, known = (_done(client, ledger, names.pipeline) for ledger in (name, names.ledger))
        found.append(Migration(rows, name, model, staged, known))
    return found


def drop_migration(client: MilvusClient, migration: Migration) -> None:
    """Drop what it has built.

    Its ledger goes first: rows without it are an old collection, and the next migration begins anew; a ledger without
    its rows would claim them.
    """
    client.drop_collection(migration.staging, timeout=TIMEOUT)
    for rows in migration.rows:
        client.drop_collection(rows, timeout=TIMEOUT)


def _done(client: MilvusClient, ledger: str, pipeline: str) -> int:
    """How many objects a ledger calls done."""
    client.load_collection(ledger, timeout=TIMEOUT)
    condition = f'pipeline == {literal(pipeline)} and status == "ok"'
    (row,) = client.query(
        ledger, filter=condition, output_fields=["count(*)"], consistency_level="Strong", timeout=TIMEOUT
    )
    return int(row["count(*)"])
