"""One run of a pipeline: list, diff, process, remove what left, report. Nothing here knows what an object holds."""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.diff import Change, OnlyFailed, diff
from ingest.errors import JobError, TooManyFailedError, UnreachableError, one_line, printable
from ingest.lease import lease
from ingest.ledger import read_ledger, under
from ingest.milvus import TIMEOUT, connect, errors_as_sentences, is_lite
from ingest.object_store import list_objects, normalise_source
from ingest.options import Options
from ingest.progress import Counts, Reporter, Ticker
from ingest.report import Report
from ingest.resources import Cluster, Resources, share
from ingest.schema import SOURCES, ensure_sources
from ingest.spool import Spool
from ingest.writer import ObjectWriter, Outcome, Target

if TYPE_CHECKING:
    from pymilvus import MilvusClient
    from ray.data import DataContext, Dataset

BLOCK_BYTES = 256 << 10
"""Target size of Ray Data's blocks. Small, since a block is what a model works on at a time, what the stages after it
wait for, and what a crash costs: 256 KiB are about 400 chunks, 20 s of a small model on a core. At the default of
128 MiB it would be hours."""

OBJECTS_PER_ACTOR = 16


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What makes one pipeline differ from another.

    Attributes:
        name: as the ledger and the report name it.
        suffixes: names of the objects it takes, lower case.
        collection: of its rows, without prefix.
        dimension: of its vectors.
        model_bytes: size of its model's weights.
        fingerprint: of all that shapes its rows.
        prepare: makes its collection, given a client and the collection's full name.
        build: puts its stages between the differences and the sink.
    """

    name: str
    suffixes: tuple[str, ...]
    collection: str
    dimension: int
    model_bytes: int
    fingerprint: str
    prepare: Callable[[MilvusClient, str], None]
    build: Callable[[Dataset, Resources, Reporter], Dataset]


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
    rows_name, ledger_name = options.collection + pipeline.collection, options.collection + SOURCES
    with ExitStack() as stack:
        stack.enter_context(errors_as_sentences(options.milvus_uri))
        held = None
        if not options.dry_run:
            held = stack.enter_context(
                lease(client, options.collection, pipeline.name, source, options.run_id, say, options.lease_seconds)
            )
        work, missing = stack.enter_context(Spool.temporary()), stack.enter_context(Spool.temporary())
        say(f"listing {source}")
        _diff(pipeline, options, source, client, ledger_name, report, work, missing, say)
        report.stages["list"] = {"seconds": round(time.monotonic() - started, 3), "items": report.listed}
        outcome = Outcome()
        if not options.dry_run and (work.count or missing.count):
            pipeline.prepare(client, rows_name)
            ledger_dimension = ensure_sources(client, ledger_name, pipeline.dimension)
            leftovers = client.query(
                rows_name, filter=under(source), output_fields=["id"], limit=1, consistency_level="Strong",
                timeout=TIMEOUT,
            )  # fmt: skip
            target = Target(
                rows_name, ledger_name, ledger_dimension, pipeline.name, pipeline.fingerprint, options.run_id,
                clean_new=bool(leftovers), lease=held,
            )  # fmt: skip
            if work.count:
                outcome, stages = _process(pipeline, options, target, work, is_lite(client), say)
                report.stages.update(stages)
            if missing.count:
                report.deleted, rows_deleted = ObjectWriter(client, target).remove(missing.sources())
                outcome.rows_deleted += rows_deleted
            # Once a run: it makes what was written fast to search. (A server would do it some time later; Milvus Lite
            # answers a full-text query over 7,600 unflushed rows in 5 s and over flushed ones in 0.1 s.)
            for collection in (rows_name, ledger_name):
                client.flush(collection, timeout=TIMEOUT)
    report.failed = outcome.failed
    report.failure_counts = outcome.grouped()
    report.failures = sorted(outcome.failures, key=lambda failure: failure["source"])
    report.rows_written, report.rows_deleted = outcome.rows_written, outcome.rows_deleted
    report.seconds = round(time.monotonic() - started, 3)
    # Of all that are there, not of those at hand: one bad file among a hundred is no reason to fail the run after it,
    # which has only that one to try again.
    if outcome.failed > math.floor(options.max_failed_fraction * report.listed):
        raise TooManyFailedError(
            f"{outcome.failed} of {report.listed} objects failed, more than --max-failed-fraction "
            f"{options.max_failed_fraction:g} allows; the first: {printable(report.failures[0]['source'])}: "
            f"{report.failures[0]['message']}",
            report,
        )
    return report


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
    differences = diff(
        list_objects(source, pipeline.suffixes),
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
        elif change is Change.SKIPPED:
            continue
        elif change is Change.MISSING:
            if not options.keep_missing:
                missing.add(difference)
                report.deleted += options.dry_run
        elif not options.limit or work.count < options.limit:
            work.add(difference)
            report.added += change is Change.NEW
            report.changed += change is not Change.NEW
        else:
            continue
        if (
            options.dry_run
            and change is not Change.UNCHANGED
            and not (change is Change.MISSING and options.keep_missing)
        ):
            say(f"{change:<8} {printable(difference.source)}")
    say(
        f"{report.listed} objects listed: {report.added} new, {report.changed} changed, {report.unchanged} unchanged, "
        f"{missing.count} missing"
    )
    if only_failed is not None:
        seen = ", ".join(f"{count} x {printable(reason)}" for reason, count in only_failed.seen.most_common(10))
        say(f"only failed objects; of those listed, the ledger knows these: {seen or 'none'}")


def _process(
    pipeline: Pipeline, options: Options, target: Target, work: Spool, single_writer: bool, say: Callable[[str], None]
) -> tuple[Outcome, dict[str, Any]]:
    """Run the stages over the spooled differences; returns what was written, and seconds and items per stage."""
    import ray

    started = time.monotonic()
    _connect_ray(say)
    from ingest.milvus_sink import MilvusDatasink

    total = ray.cluster_resources()
    nodes = sum(node["Alive"] for node in ray.nodes())
    cluster = Cluster(total.get("CPU", 0), total.get("GPU", 0), nodes, total.get("memory", 0))
    resources = share(cluster, pipeline.model_bytes, single_writer)
    # A small run is over before a second model would be loaded.
    actors = min(resources.model_actors, math.ceil(work.count / OBJECTS_PER_ACTOR))
    resources = replace(resources, model_actors=actors)
    say(
        f"Ray cluster with {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs: loading the model "
        f"({actors} x {resources.threads} {'thread' if resources.threads == 1 else 'threads'})"
    )
    counts = ray.remote(Counts).options(num_cpus=0).remote()
    ray.get(counts.get.remote())
    connecting = time.monotonic() - started
    observe = Reporter(counts)
    sink = MilvusDatasink(options.milvus_uri, target, observe)
    try:
        with Ticker(counts, work.count, say):
            differences = ray.data.from_arrow_refs([ray.put(block) for block in work.blocks()])
            pipeline.build(differences, resources, observe).write_datasink(
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


def job_error(error: BaseException) -> BaseException:
    """The JobError that a stage raised, out of the exceptions that Ray wraps around it; else the error itself."""
    seen: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is None or any(current is other for other in seen):
            continue
        seen.append(current)
        # Ray raises its own error with the stage's class mixed in; the original, with its plain text, is its `cause`.
        cause = getattr(current, "cause", None)
        if isinstance(cause, JobError):
            return cause
        if isinstance(current, JobError) and cause is None:
            return current
        pending += [cause if isinstance(cause, BaseException) else None, current.__cause__, current.__context__]
    return error


def _connect_ray(say: Callable[[str], None]) -> None:
    """Connect to the cluster that the environment names (RAY_ADDRESS; a Ray job has it), or start one here."""
    import ray
    from ray.data import DataContext

    if not ray.is_initialized():
        say("connecting to Ray" if os.environ.get("RAY_ADDRESS") else "starting Ray on this machine")
        # Within a Ray job the workers have the job's working_dir; by hand they get this folder.
        in_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
        folder = str(Path(__file__).resolve().parents[1])
        address = os.environ.get("RAY_ADDRESS", "")
        try:
            _probe(address)
            ray.init(
                runtime_env=None if in_job else {"working_dir": folder},
                logging_level=logging.ERROR,
                log_to_driver=False,
                include_dashboard=None if address else False,
            )
        except (OSError, SystemExit) as error:  # Ray ends the whole process where a head does not answer
            raise UnreachableError(
                f"the Ray cluster at {address or 'this machine'} cannot be reached ({one_line(error, 160)}); "
                "check RAY_ADDRESS and that it runs"
            ) from None
    _configure(DataContext.get_current())


def _probe(address: str) -> None:
    """Raises OSError where nothing listens at `address`, `host:port`: ray.init takes two minutes to find that out."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _configure(context: DataContext) -> None:
    context.target_max_block_size = BLOCK_BYTES
    context.enable_progress_bars = False
    # Its errors reach us as exceptions; its plans and its warnings about block sizes are no news for an operator.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
