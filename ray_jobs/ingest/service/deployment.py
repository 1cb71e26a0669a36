"""Deploys the service on a Ray cluster with Ray Serve, asks how it does, and removes it.

Serve's processes are detached: they outlive the job or the script that has deployed the application.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from ingest.common.errors import ConfigurationError, JobError, UnreachableError
from ingest.common.text import one_line
from ingest.common.waiting import announce_wait
from ingest.service.packages import digest, drop_packages, hold_packages
from ingest.service.settings import AT_WORK, WAITING, ServiceSettings

_HEALTH_REQUESTS = 10
"""Requests that a replica takes beside those that are at work or wait, so that its health can always be asked for."""

_QUEUED = 100
"""Requests that wait in one of Serve's proxies while no replica takes them, as at its start."""

_SECONDS_BETWEEN_LOOKS = 0.5
_STATE_SECONDS = 60.0
_PROXY_SECONDS = 60.0
_FAILED = ("DEPLOY_FAILED", "UNHEALTHY")
_OWN_ERROR = re.compile(r"ingest\.common\.errors\.\w+: (.+)")


@dataclass(frozen=True, slots=True)
class Deployment:
    """How the service is deployed.

    Attributes:
        name: of the application; a cluster may have several.
        route: prefix of its paths.
        replicas: their number, or the least; at 0 all of them stop when nobody asks anything.
        max_replicas: the most; at least `replicas` and 1.
        idle_seconds: after which the last replica stops, if `replicas` is 0.
        cpus, gpus: of each replica.
        stop_first: stop a replica before its successor starts, where there is no room for both.
        host, port: where Serve listens if it does not run yet.
        wait_seconds: how long to wait until the replicas run.
    """

    name: str
    route: str
    replicas: int
    max_replicas: int
    idle_seconds: float
    cpus: float
    gpus: float
    stop_first: bool
    host: str
    port: int
    wait_seconds: float


def serve_module() -> Any:
    """Ray Serve.

    Raises:
        ConfigurationError: it is not installed here.
    """
    try:
        from ray import serve
    except ImportError as error:
        raise ConfigurationError(
            f"Ray Serve is not installed on the node that runs this ({one_line(error, 120)}); install the extra "
            "`serve` of this project, or ray[serve], on every Ray node"
        ) from None
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    return serve


def deploy(settings: ServiceSettings, deployment: Deployment, say: Callable[[str], None]) -> dict[str, Any]:
    """Deploy the service, or update it: replicas start and stop only as far as something has changed.

    Returns:
        Its status, as `status` returns it.

    Raises:
        ConfigurationError: a replica does not start, or the route is that of another application.
        UnreachableError: the replicas do not run yet.
    """
    import ray

    serve = serve_module()
    from ray.serve.exceptions import RayServeException

    before = serve.status().applications.get(deployment.name)
    _start(serve, deployment, say)
    runtime_env = dict(ray.get_runtime_context().runtime_env)
    kept = hold_packages(deployment.name, runtime_env)
    version = digest(asdict(settings))
    if before is not None and before.status in _FAILED:
        version += uuid.uuid4().hex  # Serve does not try a version again that has failed
    application = _application(serve, settings, deployment, version, runtime_env)
    target = serve.RunTarget(application, deployment.name, deployment.route)
    try:
        serve.run_many([target], wait_for_applications_running=False)  # Serve's own waiting has no end
    except RayServeException as error:
        reason = _reason([str(error)]).partition("RayServeException: ")
        raise ConfigurationError(f"Ray Serve refuses the application: {reason[2] or reason[0]}") from None
    with announce_wait(f"waiting for the replicas of {deployment.name!r}", say):
        _wait(serve, deployment, is_new=before is None)
    drop_packages(deployment.name, but=kept)
    return status(deployment.name)


def _start(serve: Any, deployment: Deployment, say: Callable[[str], None]) -> None:
    from ray.exceptions import RayActorError, RayTaskError

    try:
        with suppress(RayActorError, TimeoutError):  # Serve replaces a proxy that takes seconds to start; see `_wait`
            serve.start(http_options={"host": deployment.host, "port": deployment.port})
    except RayTaskError as error:
        _shut_down_unused(serve)
        raise _does_not_listen(deployment, one_line(error.cause, 160)) from None
    host, port = _address()
    if (host, port) != (deployment.host, deployment.port):
        say(f"Ray Serve runs already and listens on {host}:{port}; it keeps this until its last application is removed")


def _application(
    serve: Any, settings: ServiceSettings, deployment: Deployment, version: str, runtime_env: dict[str, Any]
) -> Any:
    from ingest.service.replica import SearchReplica

    most = max(deployment.replicas, deployment.max_replicas, 1)
    if most == deployment.replicas:
        number: dict[str, Any] = {"num_replicas": most}
    else:
        number = {
            "autoscaling_config": {
                "min_replicas": deployment.replicas,
                "initial_replicas": max(deployment.replicas, 1),
                "max_replicas": most,
                "target_ongoing_requests": AT_WORK / 4,
                "downscale_to_zero_delay_s": deployment.idle_seconds,
                "upscale_delay_s": 5.0,
            }
        }
    made = serve.deployment(
        serve.ingress()(SearchReplica),
        name="SearchReplica",
        ray_actor_options={"num_cpus": deployment.cpus, "num_gpus": deployment.gpus, "runtime_env": runtime_env},
        max_ongoing_requests=AT_WORK + WAITING + _HEALTH_REQUESTS,
        max_queued_requests=_QUEUED,
        backpressure_config={"status_code": 429, "retry_after_s": 1.0},
        max_surge_percent=0 if deployment.stop_first else 100,
        graceful_shutdown_timeout_s=30.0,
        **number,
    )
    # Without a version, Serve replaces all replicas whenever the same application is deployed again; only its own
    # REST API, which takes no package of a job, can set one.
    made._version = version
    return made.bind(settings)


def _wait(serve: Any, deployment: Deployment, is_new: bool) -> None:
    deadline, runs_since = time.monotonic() + deployment.wait_seconds, 0.0
    while True:
        now = time.monotonic()
        found = serve.status().applications.get(deployment.name)
        if found is None:
            raise JobError(f"somebody has removed the application {deployment.name!r} while it started")
        messages = [found.message, *(each.message for each in found.deployments.values())]
        if found.status == "RUNNING" and "HEALTHY" in serve.status().proxies.values():
            return
        if found.status == "RUNNING" and (runs_since := runs_since or time.monotonic()) + _PROXY_SECONDS < now:
            raise _does_not_listen(deployment, "its proxies do not start")
        if found.status in _FAILED:
            if is_new:
                serve.delete(deployment.name)
                drop_packages(deployment.name)
                _shut_down_unused(serve)
            after = "nothing is left of it" if is_new else "replicas of before, if any, go on answering"
            raise ConfigurationError(f"the service does not start: {_reason(messages)} ({after})")
        if now > deadline:
            raise UnreachableError(
                f"the service does not run after {deployment.wait_seconds:g} s and goes on starting "
                f"({one_line(' '.join(messages), 200)}); if it finds no room, give it less with --num-cpus and "
                "--num-gpus, or replace it with --stop-first"
            )
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _reason(messages: list[str]) -> str:
    """The sentence of this program's own error in what Serve says, or the last line of that."""
    text = "\n".join(messages)
    if own := _OWN_ERROR.findall(text):
        return one_line(own[-1], 400)
    lines = [line for line in text.splitlines() if line.strip()]
    return one_line(lines[-1] if lines else "Serve does not say why", 400)


def status(name: str) -> dict[str, Any]:
    """What Serve and a replica say about the service, as plain JSON.

    Keys: `application`, `status` (of Serve, or NOT_DEPLOYED), `replicas` that run, `url`; and if one runs, what
    `SearchService.state` returns.
    """
    import ray

    serve = serve_module()
    found = serve.status().applications.get(name)
    if found is None:
        return {"application": name, "status": "NOT_DEPLOYED", "replicas": 0, "ready": False}
    running = sum(each.replica_states.get("RUNNING", 0) for each in found.deployments.values())
    told: dict[str, Any] = {"ready": False}
    # To ask would start a replica.
    if running:
        try:
            told = serve.get_app_handle(name).state.remote().result(timeout_s=_STATE_SECONDS)
        except Exception as error:  # whatever a replica that ends meanwhile makes Ray raise
            told = {"ready": False, "problem": f"no replica says how it does ({one_line(error, 160)})"}
    host, port = _address()
    if host in ("0.0.0.0", "::"):
        host = ray.util.get_node_ip_address()
    return {
        "application": name,
        "status": str(found.status.value),
        "replicas": running,
        "url": f"http://{host}:{port}",
        **told,
    }


def remove(name: str, say: Callable[[str], None]) -> None:
    """Remove the service if it is there, and Serve with the last application."""
    serve = serve_module()
    applications = serve.status().applications
    if name not in applications:
        say(f"there is no application {name!r} on this cluster")
    else:
        with announce_wait(f"removing the application {name!r}", say):
            serve.delete(name)
            _shut_down_unused(serve)
    drop_packages(name)


def _shut_down_unused(serve: Any) -> None:
    """End Serve's own processes if there is no application."""
    if not serve.status().applications:
        serve.shutdown()


def _does_not_listen(deployment: Deployment, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"Ray Serve does not listen on {deployment.host}:{deployment.port} ({reason}); give --http-host and "
        "--http-port an address of the nodes that nobody else uses"
    )


def _address() -> tuple[str, int]:
    """Where Serve listens."""
    from ray.serve.context import _get_global_client

    options = _get_global_client().http_config
    return str(options.host), int(options.port)
