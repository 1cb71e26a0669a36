"""What the stage of the Dag tests knows of its metrics, and what the demo's runs had left before other runs came."""

import time
from dataclasses import dataclass, field
from typing import Any

from embedded.airflow_standalone import AirflowStandalone
from embedded.processes import poll
from embedded.prometheus import Prometheus
from embedded.ray_metrics import RayMetrics
from embedded.statsd_exporter import Samples, StatsdExporter
from ray_ingest.job_scripts import COLLECTIONS


@dataclass
class Metrics:
    """The metrics of the stage: those of Airflow, those of Ray, and if it is installed, Prometheus with both.

    `of_demo` are Airflow's when the demo had just ended, `demo_reports` the reports of its runs, and `demo_states` what
    the assets then knew, by name.
    """

    airflow: StatsdExporter
    ray: RayMetrics
    prometheus: Prometheus | None
    began: float
    demo_ended: float = 0.0
    of_demo: Samples = field(default_factory=dict)
    demo_reports: list[dict[str, Any]] = field(default_factory=list)
    demo_states: dict[str, dict[str, Any]] = field(default_factory=dict)

    def demo_has_ended(self, airflow: AirflowStandalone) -> None:
        """Keep what the demo has made; its runs are the only ones so far."""
        self.of_demo = self.airflow.samples()
        for dag_id in (f"ingest_{pipeline}" for pipeline in COLLECTIONS):
            self.demo_reports += [airflow.xcom(dag_id, run["dag_run_id"], "ingest") for run in airflow.runs(dag_id)]
        for asset in airflow.api("GET", "/assets?limit=100")["assets"]:
            entries = airflow.api("GET", f"/assets/{asset['id']}/state-store")["asset_state_store"]
            self.demo_states[asset["name"]] = {entry["key"]: entry["value"] for entry in entries}
        if (prometheus := self.prometheus) is not None:
            listed = sum(report["listed"] for report in self.demo_reports)
            query = "sum(ray_ingest:objects:1d)"
            poll(lambda: prometheus.query(query, time.time()) == [({}, listed)], 30, "Prometheus has not read all")
        self.demo_ended = time.time()
