"""Deploy, update or remove the search service, which then runs on the Ray cluster without a job."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, Param

from ray_ingest.factory import script_task
from ray_ingest.forms import switch
from ray_ingest.templates import MACROS

DOC = """
### Keep the search ready on the Ray cluster

A run deploys the service with the settings of its form, or updates it to them, and ends: Ray Serve keeps it running.
The same form again changes nothing, so trigger it whenever the cluster was replaced. A new collection or model of the
pipelines needs no run: the service follows the collections by itself.

* **Before the first run:** install the extra `serve` on the Ray nodes, and give them `SEARCH_TOKEN`, a random text that
  clients send. It is no field here, because Ray shows the arguments of jobs.
* **Exit code 2, "does not search everything".** The service runs; the sentence names the kind and its model.
* **Exit code 4, "does not run after".** No node has room for a replica: trigger with fewer CPUs or GPUs, or with *stop
  first* where the old one and the new one do not fit beside each other.
"""

with DAG(
    dag_id="serve_search",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=DOC,
    tags=["search", "ray", "milvus"],
    user_defined_macros=MACROS,
    params={
        "replicas": Param(1, title="Replicas", type="integer", minimum=0, description="0: none while nobody asks."),
        "num_cpus": Param(1, title="CPUs of each", type="number", exclusiveMinimum=0),
        "num_gpus": Param(0, title="GPUs of each", type="number", minimum=0, description="A part of one, or all."),
        "http_host": Param(
            "127.0.0.1",
            title="Address to listen on",
            type="string",
            description="Counts when Ray Serve starts. 0.0.0.0 lets other machines in: put TLS in front.",
        ),
        "stop_first": switch("Stop first", "Stop a replica before its successor starts, where both have no room."),
        "remove": switch("Remove", "Remove the service instead."),
    },
):
    script_task(
        "serve",
        "serve_search.py",
        {
            "replicas": "{{ params.replicas }}",
            "num-cpus": "{{ params.num_cpus }}",
            "num-gpus": "{{ params.num_gpus }}",
            "http-host": "{{ params.http_host }}",
            "stop-first": "{{ params.stop_first }}",
            "remove": "{{ params.remove }}",
        },
        __file__,
    )
