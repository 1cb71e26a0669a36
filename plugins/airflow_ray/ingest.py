"""What the Dags of this repository share: how a script of ``ray_jobs/`` is run, with the site's settings.

Here and not beside the Dags, since what is installed can be imported wherever Airflow reads a Dag file from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from .operator import RayOperator
from .templates import required

EMBEDDING_MODEL = "{{ params.embedding_model or var.value.get('ingest_embedding_model', 'BAAI/bge-m3') }}"

MACROS = {
    "required": required,
    "NO_MILVUS": "Set the Airflow Variable ingest_milvus_uri (such as http://milvus:19530).",
}
"""``user_defined_macros`` of a Dag with a task of :func:`run_script`."""


def run_script(
    task_id: str, script: str, arguments: Mapping[str, Any], dag_file: str, outlets: Sequence[Any] = ()
) -> RayOperator:
    """A task that runs a job script with the site's Milvus and collections, in the pool ``ray``, with retries.

    :param script: file name in ``ray_jobs/``; templated.
    :param arguments: the script's other flags; templated.
    :param dag_file: ``__file__`` of the Dag; ``ray_jobs`` is beside its folder, or where ``ingest_jobs_dir`` says.
    """
    jobs = Path(dag_file).resolve().parent.parent / "ray_jobs"
    return RayOperator(
        task_id=task_id,
        entrypoint=f"python {script}",
        arguments={
            "milvus-uri": "{{ required(var.value.get('ingest_milvus_uri', ''), NO_MILVUS) }}",
            "collection": "{{ var.value.get('ingest_collection_prefix', '') }}",
            **arguments,
        },
        working_dir=f"{{{{ var.value.get('ingest_jobs_dir', {str(jobs)!r}) }}}}",
        pool="ray",
        retries=3,
        retry_delay=timedelta(minutes=1),
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(minutes=30),
        outlets=list(outlets),
    )
