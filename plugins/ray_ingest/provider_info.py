"""The metadata of the distribution's provider: that of ``airflow_ray``, and the connection type ``milvus``.

Airflow reads it through the entry point ``apache_airflow_provider``, of which a distribution can have one.
"""

from __future__ import annotations

from typing import Any

from airflow_ray import provider_info

_MILVUS: dict[str, Any] = {
    "connection-type": "milvus",
    "hook-class-name": "ray_ingest.milvus.MilvusHook",
    "hook-name": "Milvus",
    "conn-fields": {
        "database": {
            "label": "Database",
            "schema": {"type": ["string", "null"]},
            "description": "Empty: the server's default database.",
        },
        "token_variable": {
            "label": "Name of the jobs' token",
            "schema": {"type": ["string", "null"]},
            "description": "The environment variable of the Ray nodes with the token. Empty: MILVUS_TOKEN.",
        },
        "page_seconds": {
            "label": "Seconds for the page",
            "schema": {"type": ["number", "null"]},
            "description": "That one request of the page to this server may take. Empty: 3.",
        },
    },
    "ui-field-behaviour": {
        "hidden-fields": ["login", "extra"],
        "relabeling": {"host": "Address", "password": "Token", "schema": "Scheme"},
        "placeholders": {
            "host": "http://milvus:19530, or a host name with port and scheme below",
            "port": "19530",
            "schema": "http or https",
            "password": "user:password, for the page and the button Test; jobs take theirs from the Ray nodes",
        },
    },
}


def get_provider_info() -> dict[str, Any]:
    """The connection types ``ray`` and ``milvus``, and what else belongs to a Ray cluster."""
    info = provider_info.get_provider_info()
    integration = {"integration-name": "Milvus", "external-doc-url": "https://milvus.io/docs", "tags": ["software"]}
    info["integrations"].append(integration)
    info["hooks"].append({"integration-name": "Milvus", "python-modules": ["ray_ingest.milvus"]})
    info["connection-types"].append(_MILVUS)
    return info
