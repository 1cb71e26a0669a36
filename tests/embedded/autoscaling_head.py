"""A Ray head with Ray's autoscaler, whose nodes are raylets on this machine (its provider `fake_multinode`)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embedded.ray_head import RayHead

HEAD_ID = "fffffffffffffffffffffffffffffffffffffffffffffffffff00000"
"""The id of the node that the provider takes for the head."""


class AutoscalingHead(RayHead):
    """A head that other nodes join when they are needed, and leave after `idle_seconds` without work.

    types: by name, the `resources` of a node and `most`, how many of them there may be.
    """

    def __init__(
        self, folder: Path, types: Mapping[str, Mapping[str, Any]], idle_seconds: float = 6, **settings: Any
    ) -> None:
        super().__init__(folder, **settings)
        self._types = types
        self._idle_seconds = idle_seconds

    def command(self) -> list[str]:
        return [
            *(word for word in super().command() if word != "--no-monitor"),
            f"--autoscaling-config={self._config}",
        ]

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_FAKE_CLUSTER": "1",
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
        }

    def prepare(self) -> None:
        super().prepare()
        lists = (
            "cluster_synced_files", "rsync_exclude", "rsync_filter", "initialization_commands", "setup_commands",
            "head_setup_commands", "worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands",
        )  # fmt: skip
        nothing: dict[str, Any] = {**{name: {} for name in ("auth", "docker", "file_mounts")}, **{n: [] for n in lists}}
        head = {"resources": {"CPU": self.num_cpus}, "node_config": {}, "max_workers": 0}
        workers = {
            name: {"resources": kind["resources"], "node_config": {}, "min_workers": 0, "max_workers": kind["most"]}
            for name, kind in self._types.items()
        }
        config = {
            **nothing,
            "cluster_name": "embedded",
            "max_workers": sum(kind["most"] for kind in self._types.values()),
            "upscaling_speed": 10.0,
            "idle_timeout_minutes": self._idle_seconds / 60,
            "provider": {
                "type": "fake_multinode",
                "gcs_address": self.gcs_address,
                "head_node_id": HEAD_ID,
                "disable_node_updaters": True,
                "disable_launch_config_check": True,
            },
            "available_node_types": {"ray.head.default": head, **workers},
            "head_node_type": "ray.head.default",
            "file_mounts_sync_continuously": False,
        }
        self._config.write_text(json.dumps(config))

    @property
    def _config(self) -> Path:
        return self.folder / "autoscaling.json"
