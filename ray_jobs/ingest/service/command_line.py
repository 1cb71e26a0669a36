"""The command line of the service: it deploys, updates, describes and removes it, and ends."""

from __future__ import annotations

import json
import os
import re
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ingest.common.errors import ConfigurationError, UnreachableError
from ingest.milvus.client import check_prefix, connect
from ingest.models.cross_encoder import find_cross_encoder
from ingest.run.flags import COUNT, COUNT_OR_ZERO, JSON_OBJECT, POSITIVE, SWITCH, Flag, FlagParser, ValueType, as_typed
from ingest.run.ray_address import in_ray_job, is_elsewhere, ray_address
from ingest.run.report import REPORT_PREFIX
from ingest.run.script import guarded, run_job_script, say
from ingest.run.shared_flags import MILVUS_FLAGS
from ingest.search.command_line import KINDS, RERANKER_FLAG
from ingest.search.query import HitKind
from ingest.search.remote_search import TOKEN_VARIABLE
from ingest.service.deployment import Deployment, deploy, remove, serve_module, status
from ingest.service.settings import ServiceSettings


def _gpus(text: str) -> float:
    try:
        gpus = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= gpus < 1000 or (gpus > 1 and gpus != int(gpus)):
        raise ArgumentTypeError(f"{text} is no number of GPUs: give a part of one, or whole ones")
    return gpus


def _matching(pattern: str, what: str) -> ValueType:
    def checked(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ArgumentTypeError(f"{text!r} is not {what}")
        return text

    return ValueType(checked, {"type": "string"})


FLAGS = (
    replace(MILVUS_FLAGS[0], required=False),
    *MILVUS_FLAGS[1:],
    Flag("report", "Also write the report to this file.", metavar="PATH", default=""),
    Flag("status", "Print how the service does, and change nothing.", SWITCH, default=False),
    Flag("remove", "Remove the service, and Ray Serve where it was the last application.", SWITCH, default=False),
    Flag(
        "name",
        "Name of the application in Ray Serve; a cluster may have several.",
        _matching(r"[A-Za-z0-9][\w.-]{0,99}", "a name of letters, digits, _, . and -"),
        metavar="NAME",
        default="search",
    ),
    Flag(
        "route",
        "Prefix of the paths, such as /documents.",
        _matching(r"/|(/[\w.-]+)+", "a path such as /documents"),
        metavar="PATH",
        default="/",
    ),
    Flag(
        "replicas",
        "Processes that answer, each with all models. 0 stops the last one when nobody asks anything; the next request "
        "then waits until the models are loaded.",
        COUNT_OR_ZERO,
        metavar="N",
        default=1,
    ),
    Flag("max-replicas", "Start up to N of them when many requests wait.", COUNT_OR_ZERO, metavar="N", default=0),
    Flag(
        "idle-seconds",
        "With --replicas 0, seconds without a request after which the last one stops.",
        POSITIVE,
        metavar="S",
        default=600,
    ),
    Flag(
        "num-cpus",
        "CPUs of each replica, or a part of one. Its models use so many threads.",
        POSITIVE,
        metavar="N",
        default=1,
    ),
    Flag(
        "num-gpus",
        "GPUs of each replica, or a part of one.",
        ValueType(_gpus, {"type": "number", "minimum": 0}),
        metavar="N",
        default=0,
    ),
    Flag(
        "in",
        f"Kinds of hits that the service offers: any of {','.join(HitKind)}. By default, all kinds that were ingested.",
        KINDS,
        metavar="KINDS",
    ),
    Flag(
        "model-paths",
        "Where the nodes have models that collections or --reranker name otherwise, such as "
        '{"BAAI/bge-m3": "/models/bge-m3"}.',
        JSON_OBJECT,
        metavar="JSON",
    ),
    RERANKER_FLAG,
    Flag(
        "token-variable",
        "Name of the environment variable of the Ray nodes with the token that clients send.",
        _matching(r"[A-Za-z_][A-Za-z0-9_]*", "a name of a variable"),
        metavar="NAME",
        default=TOKEN_VARIABLE,
    ),
    Flag(
        "token-file",
        "File on the Ray nodes with such tokens instead, one a line. It is read again when it changes.",
        _matching(r"|/.+", "an absolute path"),
        metavar="PATH",
        default="",
    ),
    Flag(
        "http-host", "Address that Ray Serve listens on, if it does not run yet.", metavar="HOST", default="127.0.0.1"
    ),
    Flag("http-port", "Its port.", COUNT, metavar="PORT", default=8000),
    Flag(
        "stop-first",
        "Replace a replica by stopping it before the new one starts, where there is no room for both.",
        SWITCH,
        default=False,
    ),
    Flag("wait-seconds", "Seconds to wait until the replicas run.", POSITIVE, metavar="S", default=900),
)


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """How the service does, for people and for programs."""

    found: dict[str, Any]

    def summary(self) -> str:
        """One line."""
        found = self.found
        shown = f"{found['application']}: {found['status']}, {found['replicas']} replicas"
        if "url" in found:
            shown += f", at {found['url']}"
        if found["status"] == "RUNNING" and not found["replicas"]:
            shown += "; the next request starts one"
        searched = [f"{kind} with {each['model']}" for kind, each in found.get("searched", {}).items()]
        return f"{shown}; searches {', '.join(searched) or 'nothing'}" if found["replicas"] else shown

    def line(self) -> str:
        """The last line of the output."""
        return REPORT_PREFIX + json.dumps(self.found)


def run_service(argv: Sequence[str] | None, description: str) -> int:
    """Deploy the service, or what the flags say, here or on the cluster that RAY_ADDRESS names by a URL.

    Args:
        argv: arguments without the program's name; None for those of this process.

    Returns:
        The exit code.
    """
    parser = FlagParser(description, FLAGS)
    arguments = parser.parse_args(argv)
    if arguments.status and arguments.remove:
        parser.error("--status and --remove contradict each other")
    if not arguments.milvus_uri and not (arguments.status or arguments.remove):
        parser.error("the following arguments are required: --milvus-uri")
    if arguments.max_replicas and arguments.max_replicas < arguments.replicas:
        parser.error("--max-replicas is below --replicas")
    if not all(isinstance(path, str) for path in (arguments.model_paths or {}).values()):
        parser.error("--model-paths is not a JSON object of names and paths")

    def elsewhere() -> int:
        from ingest.run.elsewhere import run_elsewhere

        words = [as_typed(word) for word in (sys.argv[1:] if argv is None else argv)]
        return run_elsewhere(ray_address(), Path(sys.argv[0]).name, words, arguments, FLAGS, say)

    if not in_ray_job() and is_elsewhere(os.environ.get("RAY_ADDRESS", "")):
        return guarded(elsewhere)
    return run_job_script(lambda: _work(arguments), arguments.report)


def _work(arguments: Namespace) -> ServiceReport:
    if not in_ray_job() and not ray_address():
        raise ConfigurationError(
            "RAY_ADDRESS names no cluster, and the service would end with this command; start one with `ray start "
            "--head` and set RAY_ADDRESS to its address"
        )
    from ingest.run.ray_session import join_ray

    serve_module()
    work = _checked_work(arguments)
    join_ray(say)
    found = work()
    report = ServiceReport(found)
    sleeps = found["status"] == "RUNNING" and not found["replicas"]
    if not arguments.remove and not found["ready"] and not sleeps:
        say(report.summary())
        _raise_unready(found)
    return report


def _checked_work(arguments: Namespace) -> Callable[[], dict[str, Any]]:
    """What to do on the cluster.

    Raises:
        JobError: Milvus cannot be reached, or the prefix is none.
    """
    name = arguments.name
    if arguments.status:
        return lambda: status(name)
    if arguments.remove:

        def removed() -> dict[str, Any]:
            remove(name, say)
            return {"application": name, "status": "REMOVED", "replicas": 0, "ready": False}

        return removed
    check_prefix(arguments.collection)
    connect(arguments.milvus_uri).close()
    settings = ServiceSettings(
        milvus_uri=arguments.milvus_uri,
        prefix=arguments.collection,
        kinds=tuple(vars(arguments)["in"] or HitKind),
        paths=arguments.model_paths or {},
        token_variable=arguments.token_variable,
        token_file=arguments.token_file,
        threads=max(1, int(arguments.num_cpus)),
        device="cuda" if arguments.num_gpus else "cpu",
        reranker=_reranker(arguments),
    )
    deployment = Deployment(
        name=name,
        route=arguments.route,
        replicas=arguments.replicas,
        max_replicas=arguments.max_replicas,
        idle_seconds=arguments.idle_seconds,
        cpus=arguments.num_cpus,
        gpus=arguments.num_gpus,
        stop_first=arguments.stop_first,
        host=arguments.http_host,
        port=arguments.http_port,
        wait_seconds=arguments.wait_seconds,
    )
    return lambda: deploy(settings, deployment, say)


def _reranker(arguments: Namespace) -> str:
    """The cross-encoder as in `ServiceSettings`. If `--model-paths` names it, this node may lack it.

    Raises:
        ConfigurationError: it does not exist, or is none.
    """
    name: str = arguments.reranker
    return name if not name or name in (arguments.model_paths or {}) else find_cross_encoder(name, "--reranker")


def _raise_unready(found: dict[str, Any]) -> None:
    """Raise the error for a service that is deployed and does not answer everything."""
    if problems := found.get("problems"):
        said = "; ".join(f"{kind}: {problem}" for kind, problem in problems.items())
        raise ConfigurationError(f"the service runs, but it does not search everything that was ingested ({said})")
    problem = found.get("problem") or f"its status is {found['status']}, with {found['replicas']} replicas"
    raise UnreachableError(f"the service {found['application']!r} is not ready: {problem}")
