"""The actors that hold the packages of the service's code, on the head of the cluster.

Serve starts a replica anew when one dies, also days after the job that has deployed it, with the code of the job's
package. Ray deletes a package as soon as no job and no actor uses it (ray-project/ray#33799). A replica that dies when
it is the only one would take the package along, and one that was stopped because nobody asked anything could not start
again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

NAMESPACE = "airflow-ray-ingest"
"""Ray's namespace of these actors."""


class PackageHolder:
    """Holds, as an actor, the packages of its runtime_env."""

    def holds(self) -> bool:
        """Returns when the actor lives."""
        return True


def hold_packages(name: str, runtime_env: Mapping[str, Any]) -> str:
    """Make an actor that holds the packages of the code; returns its name, or an empty string if there are none."""
    import ray
    from ray._common.constants import HEAD_NODE_RESOURCE_NAME

    packages = sorted(set(re.findall(r"gcs://[^\"'\s,\]]+", json.dumps(runtime_env, default=str))))
    if not packages:
        return ""
    holder = f"{name}-{digest(packages)}"
    actor = (
        ray.remote(PackageHolder)
        .options(
            name=holder,
            namespace=NAMESPACE,
            get_if_exists=True,
            lifetime="detached",
            max_restarts=-1,
            num_cpus=0,
            resources={HEAD_NODE_RESOURCE_NAME: 0.001},
            runtime_env=runtime_env,
        )
        .remote()
    )
    ray.get(actor.holds.remote())
    return holder


def drop_packages(name: str, but: str = "") -> None:
    """End the actors of an application, except the one that is named `but`."""
    import ray

    for actor in ray.util.list_named_actors(all_namespaces=True):
        holder = actor["name"]
        if (
            actor["namespace"] == NAMESPACE
            and holder != but
            and re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{16}}", holder)
        ):
            ray.kill(ray.get_actor(holder, NAMESPACE))


def digest(value: Mapping[str, Any] | list[str]) -> str:
    """A short digest of plain JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
