"""Vectors that are known already, so that no text is embedded twice: in a run, or again when its object changed.

One actor keeps them for all model actors of a run, by digest of the text: in a file of bounded size, the oldest go
first. It is a cache and nothing more: where it forgets, or dies and starts empty, a text is embedded again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ingest.models.text_encoder import OnDone

MAX_BYTES = 4 << 30
"""Of disk: a million vectors of 1,024 dimensions. Their digests take about 150 MB of memory."""

CLAIM_TIMEOUT = 120.0
"""After which texts that another actor said it would embed are taken over: it may have died."""

POLL_SECONDS = 0.2

Encode = Callable[[Sequence[str], OnDone], np.ndarray]
"""Embeds texts: float32 of shape (len(texts), dimension)."""


def text_digest(text: str) -> bytes:
    """16 bytes that stand for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass(slots=True)
class Lookup:
    """Indices into the digests that were asked for: `known` with their `vectors`, and those `claimed` for the asker.

    The rest is being embedded by others. `vectors` is float32 of shape (len(known), dimension).
    """

    known: list[int]
    vectors: np.ndarray
    claimed: list[int]


class VectorCache:
    """What is known, and who is about to find out what.

    Args:
        dimension: of the vectors.
        max_bytes: of the file in the temporary folder; it grows as it fills.
        clock: seconds.
    """

    def __init__(self, dimension: int, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._dimension = dimension
        self._stride = 4 * dimension
        self._file, path = tempfile.mkstemp()
        Path(path).unlink()  # so that nothing is left of a process that dies
        free = shutil.disk_usage(tempfile.gettempdir()).free
        self._capacity = max(1, min(max_bytes, free // 4) // self._stride)
        self._slots: dict[bytes, int] = {}  # oldest first
        self._claims: dict[bytes, str] = {}
        self._heard: dict[str, float] = {}
        self._clock = clock

    def look_up(self, owner: str, digests: Sequence[bytes]) -> Lookup:
        """What is known of these, and what `owner` is to embed and `put`. Each digest is to be there once."""
        now = self._clock()
        self._heard[owner] = now
        known, claimed = [], []
        for index, key in enumerate(digests):
            if key in self._slots:
                known.append(index)
                continue
            other = self._claims.get(key, owner)
            if other == owner or now - self._heard[other] >= CLAIM_TIMEOUT:
                self._claims[key] = owner
                claimed.append(index)
        vectors = np.empty((len(known), self._dimension), np.float32)
        for row, index in enumerate(known):
            data = os.pread(self._file, self._stride, self._slots[digests[index]] * self._stride)
            vectors[row] = np.frombuffer(data, np.float32)
        return Lookup(known, vectors, claimed)

    def put(self, owner: str, digests: Sequence[bytes], vectors: np.ndarray) -> None:
        """Remember vectors, shape (len(digests), dimension). A full disk only means that fewer are remembered."""
        self._heard[owner] = self._clock()
        for key, vector in zip(digests, np.ascontiguousarray(vectors, np.float32), strict=True):
            self._claims.pop(key, None)
            if key in self._slots:
                continue
            full = len(self._slots) >= self._capacity
            slot = self._slots.pop(next(iter(self._slots))) if full else len(self._slots)
            if self._written(vector.tobytes(), slot * self._stride):
                self._slots[key] = slot
            else:
                self._capacity = max(1, len(self._slots))

    def _written(self, data: bytes, offset: int) -> bool:
        try:
            return os.pwrite(self._file, data, offset) == len(data)
        except OSError:
            return False


class VectorCacheClient:
    """What stages hold of the cache's actor."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def put(self, owner: str, texts: Sequence[str], vectors: np.ndarray) -> None:
        """Let others know; returns when they can."""
        import ray

        ray.get(self._actor.put.remote(owner, [text_digest(text) for text in texts], vectors))

    def embed(self, owner: str, texts: Sequence[str], encode: Encode, dimension: int) -> tuple[np.ndarray, int]:
        """The vectors of the texts, of which each is embedded once in the whole run.

        Args:
            owner: the same for one actor's every call and restart.
            encode: called with the texts that nobody knows, each once.

        Returns:
            float32 array of shape (len(texts), dimension), and how many of them did not have to be embedded.
        """
        import ray

        keys = [text_digest(text) for text in texts]
        first: dict[bytes, int] = {}
        for index, key in enumerate(keys):
            first.setdefault(key, index)
        found: dict[bytes, np.ndarray] = {}
        waiting, embedded = list(first), 0
        while waiting:
            asked = waiting
            answer: Lookup = ray.get(self._actor.look_up.remote(owner, asked))
            found.update((asked[index], vector) for index, vector in zip(answer.known, answer.vectors, strict=True))
            if answer.claimed:
                claimed = [asked[index] for index in answer.claimed]

                def done(indices: Sequence[int], vectors: np.ndarray, claimed: list[bytes] = claimed) -> None:
                    self._actor.put.remote(owner, [claimed[index] for index in indices], vectors)

                vectors = encode([texts[first[key]] for key in claimed], done)
                found.update(zip(claimed, vectors, strict=True))
                embedded += len(claimed)
            waiting = [key for key in waiting if key not in found]
            if waiting and not answer.claimed:
                time.sleep(POLL_SECONDS)
        matrix = np.empty((len(texts), dimension), np.float32)
        for index, key in enumerate(keys):
            matrix[index] = found[key]
        return matrix, len(texts) - embedded
