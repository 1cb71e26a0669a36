"""Generations: each public name is an alias of one collection per model, so no search sees the vectors of two models.

`documents` is an alias; its rows are in `documents_<key of the model>`. A run with another model builds a second
collection beside the first (`--migrate`), with a ledger of its own, the staging ledger, while searches and daily runs
keep using the first. When the second collection holds everything that is in the ledger, the alias is switched, which
is atomic in Milvus, and the staging ledger is copied over the ledger. If a switch is interrupted between these two
steps, the next run completes it. The old collection stays until maintenance is told to drop it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from ingest.common.errors import ConfigurationError, JobError
from ingest.common.failures import is_retried
from ingest.common.identity import model_key
from ingest.common.objects import is_under
from ingest.ledger.alias import COPY_ROWS, copy_ledger
from ingest.ledger.entries import LedgerEntry, read_ledger
from ingest.milvus.client import TIMEOUT, alias_target
from ingest.milvus.expressions import literal_list
from ingest.milvus.schema import COLLECTIONS, MODEL_PROPERTY, SOURCES, ensure_sources

if TYPE_CHECKING:
    from pymilvus import MilvusClient

PIPELINES = tuple(sorted(COLLECTIONS))
"""All pipelines, which share the ledger. Whoever needs the leases of all of them takes them in this order."""

UNKNOWN_MODEL = "of unknown name"
"""Model of a collection that does not have MODEL_PROPERTY."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the collections of a pipeline with certain models.

    Attributes:
        pipeline: name of the pipeline.
        public: aliases that searches use.
        rows: collections of the models' rows, one for each alias.
        ledger: alias of the ledger.
        staging: staging ledger of `rows`, until searches use these.
    """

    pipeline: str
    public: tuple[str, ...]
    rows: tuple[str, ...]
    ledger: str
    staging: str

    @classmethod
    def of(cls, prefix: str, pipeline: str, collections: Sequence[str], model: str) -> Names:
        """Names with `prefix` for a pipeline with these `collections` and this `model`."""
        return cls._of(prefix, pipeline, collections, f"_{model_key(model)}")

    @classmethod
    def _of(cls, prefix: str, pipeline: str, collections: Sequence[str], key: str) -> Names:
        public, ledger = tuple(prefix + collection for collection in collections), prefix + SOURCES
        return cls(pipeline, public, tuple(name + key for name in public), ledger, f"{ledger}_{pipeline}{key}")

    @classmethod
    def searched(cls, client: MilvusClient, prefix: str, pipeline: str, collections: Sequence[str]) -> Names | None:
        """Names of the generation that searches use; None if there is no alias."""
        public = prefix + collections[0]
        rows = alias_target(client, public)
        if rows is None or rows == public:
            return None
        return cls._of(prefix, pipeline, collections, rows.removeprefix(public))

    def __str__(self) -> str:
        return " and ".join(self.rows)


def is_staged(client: MilvusClient, names: Names, migrate: bool) -> bool:
    """Whether searches use another model's rows, so that this model's rows are built beside them.

    Raises:
        ConfigurationError: they do, and `migrate` is false; or a public name is a collection and not an alias.
    """
    searched = [alias_target(client, public) for public in names.public]
    if any(found == public for found, public in zip(searched, names.public, strict=True)):
        raise ConfigurationError(
            f"{' or '.join(names.public)} is a collection and not the alias that runs of this program make; "
            "rename it, or use another --collection prefix"
        )
    # If a run was interrupted, only some of several aliases may exist or be switched.
    if searched[0] in (None, names.rows[0]) or _is_empty(client, names):
        return False
    if not migrate:
        raise ConfigurationError(
            f"{names.public[0]!r} holds the vectors of another model ({model_of(client, names.public[0])}); run with "
            "that one, or with --migrate to build a collection for this one and switch to it when it is complete"
        )
    return True


def _is_empty(client: MilvusClient, names: Names) -> bool:
    """Whether nothing was ever written to the searched collections, because a first run could not load its model."""
    if next(read_ledger(client, names.ledger, "", names.pipeline), None) is not None:
        return False
    for public in names.public:
        if client.has_collection(public, timeout=TIMEOUT):
            client.load_collection(public, timeout=TIMEOUT)
            if client.query(
                public, filter='id != ""', output_fields=["id"], limit=1, consistency_level="Strong", timeout=TIMEOUT
            ):
                return False
    return True


def empty_generation_is_searched(client: MilvusClient, names: Names) -> bool:
    """Whether searches use an empty collection of another model."""
    searched = alias_target(client, names.public[0])
    return searched not in (None, names.rows[0], names.public[0]) and _is_empty(client, names)


def drop_empty_generation(client: MilvusClient, names: Names) -> None:
    """Drop the searched collections if they are empty and of another model. The caller holds the pipeline's lease."""
    if not empty_generation_is_searched(client, names):
        return
    for public, rows in zip(names.public, names.rows, strict=True):
        searched = alias_target(client, public)
        if searched is not None and searched != rows:
            client.drop_alias(public, timeout=TIMEOUT)
            client.drop_collection(searched, timeout=TIMEOUT)


def model_of(client: MilvusClient, name: str) -> str:
    """The name of the model of a collection's vectors, or UNKNOWN_MODEL."""
    return str(client.describe_collection(name, timeout=TIMEOUT)["properties"].get(MODEL_PROPERTY, UNKNOWN_MODEL))


def publish(client: MilvusClient, names: Names) -> None:
    """Point the public names that do not exist yet at the rows."""
    from pymilvus.exceptions import MilvusException

    for public, rows in zip(names.public, names.rows, strict=True):
        if alias_target(client, public) is not None:
            continue
        try:
            client.create_alias(rows, public, timeout=TIMEOUT)
        except MilvusException:
            # Another run was faster. With another model, this is an error now.
            if alias_target(client, public) is None or is_staged(client, names, migrate=False):
                raise


# --- migration to another model


def start_migration(client: MilvusClient, names: Names, dimension: int) -> None:
    """Create the staging ledger, unless this migration has already started.

    A collection from an earlier time with the same model is dropped: it has rows of objects that have changed or left
    since. The caller holds the lease of the whole pipeline.
    """
    if client.has_collection(names.staging, timeout=TIMEOUT) or not is_staged(client, names, migrate=True):
        return
    for rows in names.rows:
        if client.has_collection(rows, timeout=TIMEOUT):
            client.drop_collection(rows, timeout=TIMEOUT)
    ensure_sources(client, names.staging, dimension)


@dataclass(slots=True)
class Disagreements:
    """The objects on which the ledger and the staging ledger of a migration do not agree.

    Attributes:
        count: their number; at 0, a switch loses nothing that is still in the store.
        first: the source of the first one.
        under: for each processed prefix, the number of objects under it that a switch would remove because they left
            the store, and of those that are in the ledger.
    """

    count: int = 0
    first: str = ""
    under: dict[str, tuple[int, int]] = field(default_factory=dict)


def count_disagreements(client: MilvusClient, names: Names, sources: Sequence[str], listed_all: bool) -> Disagreements:
    """Compare the ledger with the staging ledger.

    Args:
        sources: the prefixes that have just been processed; under them, the staging ledger is right.
        listed_all: whether all objects under `sources` were processed; then objects that are not staged have left the
            store.

    Raises:
        JobError: the staging ledger no longer exists.
    """
    if is_staged(client, names, migrate=True) and not client.has_collection(names.staging, timeout=TIMEOUT):
        raise JobError(
            f"the migration to {names} was dropped while this run worked on it; nothing is switched, "
            "and another run with --migrate starts it anew"
        )
    found = Disagreements(under=dict.fromkeys(sources, (0, 0)))
    for known, twin in _paired(client, names):
        name = known.source if known else twin.source if twin else ""
        source = next((source for source in sources if is_under(name, source)), None)
        if source is None:
            agree = _is_the_same(known, twin)
        else:
            agree = _is_replaced(known, twin, listed_all)
            if known is not None:
                missing, count = found.under[source]
                found.under[source] = missing + (twin is None), count + 1
        if not agree:
            found.count += 1
            found.first = found.first or name
    return found


def _is_replaced(known: LedgerEntry | None, twin: LedgerEntry | None, listed_all: bool) -> bool:
    """Under the processed prefix: whether the switch loses nothing that is still in the store."""
    if known is None or not known.ok:
        return True
    if twin is None:
        return listed_all
    # An object whose new version fails loses its rows anyway; the failure of the same version must not cost them.
    return twin.ok or (twin.version != known.version and not is_retried(twin.error_type, twin.attempts))


def _is_the_same(known: LedgerEntry | None, twin: LedgerEntry | None) -> bool:
    """Elsewhere the ledger is right: a staged entry that differs is of an object that has changed or left since."""
    if known is None or twin is None:
        return known is not None and not known.ok
    return known.version == twin.version and (twin.ok or not known.ok)


def _paired(client: MilvusClient, names: Names) -> Iterator[tuple[LedgerEntry | None, LedgerEntry | None]]:
    """Every object of the ledger or the staging ledger, with its entries in both."""
    ledger = read_ledger(client, names.ledger, "", names.pipeline)
    staged = read_ledger(client, names.staging, "", names.pipeline)
    known, twin = next(ledger, None), next(staged, None)
    while known is not None or twin is not None:
        if twin is None or (known is not None and known.source < twin.source):
            yield known, None
            known = next(ledger, None)
        elif known is None or twin.source < known.source:
            yield None, twin
            twin = next(staged, None)
        else:
            yield known, twin
            known, twin = next(ledger, None), next(staged, None)


def switch(client: MilvusClient, names: Names) -> None:
    """Make searches use the new rows. The caller holds the lease of the whole pipeline."""
    for rows in names.rows:
        client.flush(rows, timeout=TIMEOUT)
    _point(client, names)
    finish_switch(client, names)


def _point(client: MilvusClient, names: Names) -> None:
    """Point all aliases at the rows; `is_switch_interrupted` reads the first one, so it is switched first."""
    for public, rows in zip(names.public, names.rows, strict=True):
        if alias_target(client, public) != rows:
            client.alter_alias(rows, public, timeout=TIMEOUT)


def is_switch_interrupted(client: MilvusClient, names: Names) -> bool:
    """Whether a switch to these rows has started and is not complete."""
    has_staging = client.has_collection(names.staging, timeout=TIMEOUT)
    return has_staging and alias_target(client, names.public[0]) == names.rows[0]


def finish_switch(client: MilvusClient, names: Names) -> None:
    """Copy the staging ledger over the ledger. The caller holds the lease of the whole pipeline."""
    if not is_switch_interrupted(client, names):
        return
    _point(client, names)
    copy_ledger(client, names.staging, names.ledger)
    gone = (known.source for known, twin in _paired(client, names) if known is not None and twin is None)
    while batch := list(islice(gone, COPY_ROWS)):
        client.delete(names.ledger, filter=f"source in {literal_list(batch)}", timeout=TIMEOUT)
    client.drop_collection(names.staging, timeout=TIMEOUT)
