"""The analyzers that Milvus's BM25 function can use for texts."""

from __future__ import annotations

import json
from typing import Any

from ingest.common.errors import ConfigurationError

ANALYZERS: dict[str, dict[str, Any]] = {
    "standard": {"type": "standard"},
    "english": {"type": "english"},
    "chinese": {"type": "chinese"},
    "icu": {"tokenizer": "icu", "filter": ["lowercase"]},
    "jieba": {"tokenizer": "jieba", "filter": ["lowercase"]},
}


def analyzer_candidates(choice: str, lite: bool) -> list[dict[str, Any]]:
    """Analyzers to try in turn for `text`.

    `auto` prefers a tokenizer that segments Chinese as well as other languages: ICU on a server (2.5.11 and later),
    jieba on Lite (if its package is installed beside the server). The fallback is the standard tokenizer.

    Raises:
        ConfigurationError: `choice` is neither a known name nor a JSON object.
    """
    if choice == "auto":
        return [ANALYZERS["jieba" if lite else "icu"], ANALYZERS["standard"]]
    if choice in ANALYZERS:
        return [ANALYZERS[choice]]
    try:
        params = json.loads(choice)
    except ValueError:
        params = None
    if not isinstance(params, dict):
        raise ConfigurationError(f"--analyzer {choice!r}: choose auto, {', '.join(ANALYZERS)}, or give a JSON object")
    return [params]
