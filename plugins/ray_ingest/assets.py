"""The assets of the collections, as Airflow's pages show them and other Dags name them in their ``schedule``."""

from __future__ import annotations

from airflow.sdk import Asset

URI_PREFIX = "milvus://ray-ingest/"
"""The beginning of the assets' URIs.

It names this platform and not the server, whose address is a Variable: for Airflow, an asset with another URI is
another asset, with another history and without the Dags that wait for the first one.
"""

PARTITIONS_KEY = "partitions"
"""The key of an event's ``extra`` with the keys of all events that were registered with it."""

_DESCRIPTIONS = {
    "documents": "Chunks of text and captions of figures from PDFs, with embeddings.",
    "images": "Images with CLIP embeddings.",
    "video_segments": "Spoken passages of videos and recordings, with embeddings.",
    "video_frames": "Key frames of videos, with CLIP embeddings.",
}


def collection_asset(collection: str) -> Asset:
    """The asset of a collection in Milvus.

    :param collection: its name without the site's prefix, such as ``documents``.
    """
    return Asset(
        collection,
        uri=f"{URI_PREFIX}{collection}",
        group="milvus",
        extra={
            "description": _DESCRIPTIONS[collection],
            "server": "the Airflow connection milvus_default",
            "partitions": "days such as 2026-01-31; other prefixes by their address",
        },
    )
