"""What the service is told when it is deployed, and its limits on what one client may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.search.query import Asking, HitKind
from ingest.search.remote_search import TOKEN_VARIABLE

ASKING = Asking(seconds=10.0, consistency="Bounded")
"""How Milvus is asked. At the level Strong, each search would wait for a time tick of Milvus, up to 200 ms by default;
at Bounded, it may miss what was written in the last seconds."""

LOOK_SECONDS = 3.0
"""Seconds between two looks at the aliases of the collections."""

ANSWER_SECONDS = 30.0
"""Seconds after which a request that is not answered gets the status 503."""

AT_WORK = 8
"""Requests at work at a time in a replica."""

WAITING = 32
"""Further requests that wait for them in a replica; the next one gets the status 429."""

MAX_BODY_BYTES = 16 << 20
"""Bytes of a request; an image in it is a third larger than its file."""

MAX_QUESTION_CHARACTERS = 10_000

MAX_HITS = 1000
"""Hits of each kind that may be asked for."""

MAX_CONTEXTS = 100
"""Hits of each kind that may be asked for with the text around them, of up to 10,000 characters each."""

MAX_PICTURES = 20
"""Hits of each kind that may be asked for with their thumbnails: each one reads its object."""

MAX_PIXELS = 100_000_000
"""Pixels of an image that is searched for."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What all replicas of the service are told.

    Attributes:
        milvus_uri: the server.
        prefix: prefix of the collections' names.
        kinds: kinds of hits that are offered, where they were ingested.
        paths: by the name of a model, where the nodes have it.
        token_variable: environment variable of the nodes with the token.
        token_file: file on the nodes with one token a line; takes precedence.
        threads: CPU threads of each model.
        device: `cuda` or `cpu`.
        reranker: the cross-encoder: a key of `paths`, or what `find_cross_encoder` has returned; empty for none.
    """

    milvus_uri: str
    prefix: str = ""
    kinds: tuple[HitKind, ...] = tuple(HitKind)
    paths: Mapping[str, str] = field(default_factory=dict)
    token_variable: str = TOKEN_VARIABLE
    token_file: str = ""
    threads: int = 1
    device: str = "cpu"
    reranker: str = ""
