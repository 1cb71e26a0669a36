"""One run of a pipeline: list, diff, process, remove what left, report. Nothing here knows what an object holds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ingest.common.errors import TooManyFailedError
from ingest.common.text import printable
from ingest.ledger.alias import ensure_ledger
from ingest.ledger.diff import Change, OnlyFailed, diff
from ingest.ledger.entries import read_ledger
from ingest.ledger.lease import Lease, lease
from ingest.ledger.outcome import Outcome
from ingest.ledger.spool import Spool
from ingest.ledger.writer import ObjectWriter, Target
from ingest.migration.generations import Names, is_cut_off, is_staged, publish
from ingest.migration.steps import complete, switch_if_complete
from ingest.milvus.client import TIMEOUT, connect, errors_as_sentences, is_lite
from ingest.milvus.expressions import under
from ingest.milvus.schema import ensure_sources
from ingest.run.options import Options
from ingest.run.ray_session import connect_ray, job_error
from ingest.run.report import Report
from ingest.stages.known_vectors import KnownVectors, VectorCache
from ingest.stages.pipeline import Pipeline, Reuse
from ingest.stages.progress import Counts, Reporter, Ticker
from ingest.stages.resources import check_wanted, cluster_of, share
from ingest.store.listing import Ignored
from ingest.store.object_store import list_objects, normalise_source

if TYPE_CHECKING:
    from pymilvus import MilvusClient


def run(pipeline: Pipeline, options: Options, say: Callable[[str], None]) -> Report:
    """Bring Milvus to what the store holds under `options.source`, and report.

    Args:
        say: prints a line for a person.

    Raises:
        JobError: the run could not be finished. What was written stays, and the next run goes on from there.
        TooManyFailedError: it was finished, and more objects failed than allowed; `report` is in its arguments.
    """
    started = time.monotonic()
    source = normalise_source(options.source)
    report = Report(pipeline.name, source, options.run_id, pipeline.fingerprint, dry_run=options.dry_run)
    client = connect(options.milvus_uri)
    collections = [collection.name for collection in pipeline.collections]
    names = Names.of(options.collection, pipeline.name, collections, pipeline.model)
    report.collection = ", ".join(names.rows)
    check_wanted(options.resources, [model.name for model in pipeline.models])
    with errors_as_sentences(options.milvus_uri):
        leases = partial(
            lease, client, options.collection, run_id=options.run_id, say=say, seconds=options.lease_seconds
        )
        if options.dry_run:
            outcome = _work(pipeline, options, source, client, names, None, report, say)
        else:
            complete(client, names, pipeline.dimension, options.migrate, leases, say)
            with leases(pipeline.name, source) as held:
                outcome = _work(pipeline, options, source, client, names, held, report, say)
            if is_staged(client, names, options.migrate):
                report.unmigrated = switch_if_complete(
                    client,
                    names,
                    source,
                    not options.limit and not options.keep_missing and options.only_failed is None,
                    partial(pipeline.prepare, client, names, options.analyzer, options.index),
                    leases,
                    say,
                )
    report.failed, report.empty, report.partly = outcome.failed, outcome.empty, outcome.partly
    report.partly_read = sorted(outcome.partly_read, key=lambda entry: entry["source"])
    report.failure_counts = outcome.grouped()
    report.failures = sorted(outcome.failures, key=lambda failure: failure["source"])
    report.rows_written, report.rows_deleted = outcome.rows_written, outcome.rows_deleted
    report.seconds = round(time.monotonic() - started, 3)
    # Of all that are there, not of those at hand: one bad file among a hundred is no reason to fail the run after it,
    # which has only that one to try again; and fifty are one for the run after it too, which has none.
    # Whoever tries some of the failed ones again asks about those alone.
    failed_before = report.failed_before if options.only_failed is None else 0
    failed = report.failed + failed_before
    if not options.dry_run and failed > math.floor(options.max_failed_fraction * report.listed):
        before = f" ({failed_before} of them in runs before)" if failed_before else ""
        first = next(iter(report.failures), None)
        raise TooManyFailedError(
            f"{failed} of {report.listed} objects failed{before}, more than --max-failed-fraction "
            f"{options.max_failed_fraction:g} allows; "
            + (
                f"the first: {printable(first['source'])}: {first['message']}"
                if first
                else "the ledger says why: replace the objects, or try them again with --only-failed"
            ),
            report,
        )
    return report


def _work(
    pipeline: Pipeline,
    options: Options,
    source: str,
    client: MilvusClient,
    names: Names,
    held: Lease | None,
    report: Report,
    say: Callable[[str], None],
) -> Outcome:
    """List, diff, process and remove; returns what was written."""
    started = time.monotonic()
    staged = is_staged(client, names, options.migrate)
    ledger = names.staging if staged or is_cut_off(client, names) else names.ledger
    with Spool.temporary() as work, Spool.temporary() as missing:
        say(f"listing {source}")
        _diff(pipeline, options, source, client, ledger, report, work, missing, say)
        report.stages["list"] = {"seconds": round(time.monotonic() - started, 3), "items": report.listed}
        outcome = Outcome()
        if options.dry_run or not (work.count or missing.count):
            return outcome
        pipeline.prepare(client, names, options.analyzer, options.index)
        publish(client, names)
        ensure = ensure_sources if staged else ensure_ledger
        ledger_dimension = ensure(client, ledger, pipeline.dimension)
        leftovers = any(
            client.query(
                rows, filter=under(source), output_fields=["id"], limit=1, consistency_level="Strong", timeout=TIMEOUT
            )
            for rows in names.rows
        )
        target = Target(
            names.rows, ledger, ledger_dimension, pipeline.name, pipeline.fingerprint, options.run_id,
            clean_new=leftovers, lease=held,
        )  # fmt: skip
        if work.count:
            outcome, stages = _process(pipeline, options, target, work, is_lite(client), say)
            report.stages.update(stages)
        if missing.count:
            report.deleted, rows_deleted = ObjectWriter(client, target).remove(missing.sources())
            outcome.rows_deleted += rows_deleted
        # Once a run: it makes what was written fast to search. (A server would do it some time later; Milvus Lite
        # answers a full-text query over 7,600 unflushed rows in 5 s and over flushed ones in 0.1 s.)
        for collection in (*names.rows, ledger):
            client.flush(collection, timeout=TIMEOUT)
    return outcome


def _diff(
    pipeline: Pipeline,
    options: Options,
    source: str,
    client: MilvusClient,
    ledger: str,
    report: Report,
    work: Spool,
    missing: Spool,
    say: Callable[[str], None],
) -> None:
    """Fill the spools and the report's counts."""
    only_failed = None if options.only_failed is None else OnlyFailed(options.only_failed)
    ignored = Ignored()
    differences = diff(
        list_objects(source, pipeline.suffixes, ignored),
        read_ledger(client, ledger, source, pipeline.name),
        pipeline.fingerprint,
        options.full_refresh,
        options.limits_by_failure(),
        only_failed,
    )
    for difference in differences:
        change = difference.change
        report.listed += change is not Change.MISSING
        if change is Change.UNCHANGED:
            report.unchanged += 1
            report.failed_before += difference.failed
        elif change is Change.SKIPPED:
            continue
        elif change is Change.MISSING:
            if options.keep_missing:
                report.kept += 1
                continue
            missing.add(difference)
            report.deleted += options.dry_run
        elif not options.limit or work.count < options.limit:
            work.add(difference)
            report.added += change is Change.NEW
            report.changed += change is not Change.NEW
        else:
            continue
        if options.dry_run and change is not Change.UNCHANGED:
            say(f"{change:<8} {printable(difference.source)}")
    if not report.listed:
        say(f"nothing of this pipeline is under {printable(source)}; check the prefix, which is taken as it is")
    say(
        f"{report.listed} objects listed: {report.added} new, {report.changed} changed, {report.unchanged} unchanged, "
        + (f"{report.kept} missing and kept" if options.keep_missing else f"{missing.count} missing")
    )
    report.ignored = ignored.count
    if ignored.count:
        say(f"ignored, as the name is of another kind of file: {ignored.count}, such as {printable(ignored.first)}")
    if only_failed is not None:
        seen = ", ".join(f"{count} x {printable(reason)}" for reason, count in only_failed.seen.most_common(10))
        say(f"only failed objects; of those listed, the ledger knows these: {seen or 'none'}")
        if not work.count and options.only_failed:
            say(f"none of them failed for {printable(options.only_failed)!r}, and so nothing is done")


def _process(
    pipeline: Pipeline, options: Options, target: Target, work: Spool, single_writer: bool, say: Callable[[str], None]
) -> tuple[Outcome, dict[str, Any]]:
    """Run the stages over the spooled differences; returns what was written, and seconds and items per stage."""
    import ray

    started = time.monotonic()
    connect_ray(say, pipeline.block_bytes)
    from ingest.stages.milvus_sink import MilvusDatasink
    from ingest.stages.stored_vectors import StoredVectors

    # A small run is over before a second model would be loaded.
    enough = math.ceil(work.count / pipeline.objects_per_actor)
    cluster = cluster_of(ray.nodes(), ray.cluster_resources())
    resources = share(cluster, pipeline.models, single_writer, options.resources).at_most(enough)
    pools = ", ".join(
        f"{name} {pool.max_actors} x {pool.threads} {'thread' if pool.threads == 1 else 'threads'}"
        for name, pool in resources.pools.items()
    )
    say(f"Ray cluster with {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs: loading models ({pools})")
    counts = ray.remote(Counts).options(num_cpus=0).remote()
    ray.get(counts.get.remote())
    cache = ray.remote(VectorCache).options(num_cpus=0, max_restarts=-1, max_task_retries=-1)
    known = KnownVectors(cache.remote(pipeline.collections[0].dimension))
    stored = StoredVectors(options.milvus_uri, target.collections[0], target.clean_new, known)
    # A full refresh may be asked for because the vectors are in doubt.
    reuse = Reuse(known, None if options.full_refresh else stored)
    connecting = time.monotonic() - started
    observe = Reporter(counts)
    sink = MilvusDatasink(options.milvus_uri, target, observe)
    try:
        with Ticker(counts, work.count, list(resources.pools), pipeline.unit, say):
            differences = ray.data.from_arrow_refs([ray.put(block) for block in work.blocks()])
            pipeline.build(differences, resources, observe, reuse).write_datasink(
                sink, ray_remote_args={"num_cpus": resources.write_cpus}, concurrency=resources.write_tasks
            )
        stages, until_loaded = ray.get([counts.get.remote(), counts.first.remote("load")])
    except Exception as error:
        raise job_error(error) from error
    # How long the models were waited for, in wall time: what a daily run of few objects mostly consists of.
    stages["start"] = {"seconds": until_loaded + connecting, "items": stages.get("load", {}).get("items", 0)}
    return sink.outcome, {
        name: {"seconds": round(stage["seconds"], 3), "items": int(stage["items"])} for name, stage in stages.items()
    }
