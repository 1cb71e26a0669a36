"""The flag of the parse cache."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from ingest.run.flags import Flag
from ingest.run.options import RunOptions
from ingest.store.parse_cache import ParseCache, normalise_cache

PARSE_CACHE_FLAG = Flag(
    "parse-cache",
    "s3://bucket/prefix/, or a folder that all nodes see, where texts of documents, captions and transcripts are kept. "
    "A run with another text model or other chunks then takes them from there. By default, they are not kept.",
    metavar="URI",
    default="",
    may_be_path=True,
    title="Parse cache",
    rare=True,
    site_default=True,
)


def cache_of(
    arguments: Namespace, options: RunOptions, pipeline: str, kind: str, settings: Mapping[str, Any], revision: int
) -> ParseCache | None:
    """The cache that the flag names; None without the flag. The other arguments are the attributes of `ParseCache`.

    A full refresh reads nothing from it, as it may be the reason for the refresh.

    Raises:
        ConfigurationError: the flag names no place.
    """
    if not arguments.parse_cache:
        return None
    uri = normalise_cache(arguments.parse_cache)
    return ParseCache(uri, pipeline, kind, settings, str(revision), reads=not options.full_refresh)
