"""The metadata of this provider, which the entry point ``apache_airflow_provider`` gives to Airflow."""

from __future__ import annotations

from typing import Any

DEFAULT_CONN_ID = "ray_default"


def get_provider_info() -> dict[str, Any]:
    """The connection type ``ray`` with its form fields, the hook, the operators, the trigger and the link."""
    return {
        "package-name": "airflow-ray-ingest",
        "name": "Ray",
        "description": "Runs jobs on Ray clusters over the Ray Jobs API.",
        "integrations": [{"integration-name": "Ray", "external-doc-url": "https://docs.ray.io/", "tags": ["software"]}],
        "operators": [
            {
                "integration-name": "Ray",
                "python-modules": ["airflow_ray.operators.job", "airflow_ray.operators.cleanup"],
            }
        ],
        "hooks": [{"integration-name": "Ray", "python-modules": ["airflow_ray.hooks.cluster"]}],
        "triggers": [{"integration-name": "Ray", "python-modules": ["airflow_ray.triggers.job"]}],
        "extra-links": ["airflow_ray.links.job.RayJobLink"],
        "connection-types": [
            {
                "connection-type": "ray",
                "hook-class-name": "airflow_ray.hooks.cluster.RayHook",
                "hook-name": "Ray",
                "conn-fields": {
                    "verify": {
                        "label": "Verify TLS certificate",
                        "schema": {"type": ["boolean", "null"], "default": True},
                        "description": "For https. Turn it off only for test clusters with a self-signed certificate.",
                    },
                    "ca_file": {
                        "label": "CA file",
                        "schema": {"type": ["string", "null"]},
                        "description": "Path of a PEM file with the authority that signed the cluster's certificate.",
                    },
                    "headers": {
                        "label": "Headers (JSON object)",
                        "schema": {"type": ["string", "null"], "format": "password"},
                        "description": "Sent with each request, for a proxy in front of Ray. Values are secrets.",
                    },
                    "dashboard_url": {
                        "label": "Dashboard address for links",
                        "schema": {"type": ["string", "null"]},
                        "description": "Used in links where browsers reach the dashboard under another address.",
                    },
                    "request_timeout": {
                        "label": "Request timeout (seconds)",
                        "schema": {"type": ["number", "null"], "default": 30},
                    },
                    "job_prefix": {
                        "label": "Prefix of submission ids",
                        "schema": {"type": ["string", "null"], "default": "airflow"},
                        "description": "Keep it different where two Airflow deployments share one Ray cluster.",
                    },
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["login", "extra"],
                    "relabeling": {"host": "Address", "password": "Token", "schema": "Scheme"},
                    "placeholders": {
                        "host": "https://ray.example.com:8265, or a host name with port and scheme below",
                        "port": "8265",
                        "schema": "http or https",
                        "password": "the cluster's token, where Ray runs with RAY_AUTH_MODE=token",
                    },
                },
            }
        ],
    }
