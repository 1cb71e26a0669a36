"""A cache of vectors, so that no text is embedded twice: neither within a run, nor again when its object changes.

One actor keeps the vectors for all model actors of a run, or several actors where many GPUs work, by the digest of the
text, in a file of bounded size that drops the oldest first. It is only a cache: if it drops a vector, or dies and
restarts empty, the text is embedded again.
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
"""Size of the file: a million vectors of 1,024 dimensions. Their digests take about 150 MB of memory."""

CLAIM_TIMEOUT = 120.0
"""Seconds after which the claims of a silent actor pass to others, because it may have died."""

POLL_SECONDS = 0.2

Encode = Callable[[Sequence[str], OnDone], np.ndarray]
"""A function that embeds texts: float32 of shape (len(texts), dimension)."""


def text_digest(text: str) -> bytes:
    """A digest of a text: 16 bytes."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass(slots=True)
class Lookup:
    """The result of looking up digests; other actors are embedding the digests that are in neither list.

    Attributes:
        known: indices of the digests whose vectors the cache has.
        vectors: their vectors, float32 of shape (len(known), dimension).
        claimed: indices of the digests that the caller is to embed.
    """

    known: list[int]
    vectors: np.ndarray
    claimed: list[int]


class VectorCache:
    """The vectors, and the claims of the actors that are embedding others. See `SharedState`.

    Args:
        dimension: the dimension of the vectors.
        max_bytes: the largest size of the file in the temporary folder, which grows as it fills.
        clock: the time in seconds.
    """

    def __init__(self, dimension: int, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._dimension = dimension
        self._stride = 4 * dimension
        self._file, path = tempfile.mkstemp()
        Path(path).unlink()  # so that a process that dies leaves no file
        free = shutil.disk_usage(tempfile.gettempdir()).free
        self._capacity = max(1, min(max_bytes, free // 4) // self._stride)
        self._slots: dict[bytes, int] = {}  # oldest first
        self._claims: dict[bytes, str] = {}
        self._last_heard: dict[str, float] = {}
        self._clock = clock

    def look_up(self, owner: str, digests: Sequence[bytes]) -> Lookup:
        """Look up distinct digests, and claim the unknown ones for `owner`, which is to embed and `put` them."""
        now = self._clock()
        self._last_heard[owner] = now
        known, claimed = [], []
        for index, key in enumerate(digests):
            if key in self._slots:
                known.append(index)
                continue
            other = self._claims.get(key, owner)
            if other == owner or now - self._last_heard[other] >= CLAIM_TIMEOUT:
                self._claims[key] = owner
                claimed.append(index)
        vectors = np.empty((len(known), self._dimension), np.float32)
        for row, index in enumerate(known):
            data = os.pread(self._file, self._stride, self._slots[digests[index]] * self._stride)
            vectors[row] = np.frombuffer(data, np.float32)
        return Lookup(known, vectors, claimed)

    def put(self, owner: str, digests: Sequence[bytes], vectors: np.ndarray) -> None:
        """Store vectors of shape (len(digests), dimension). A full disk only means that it stores fewer."""
        self._last_heard[owner] = self._clock()
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

    def release_claims(self) -> None:
        """Let anyone claim what others have claimed."""
        self._claims.clear()

    def _written(self, data: bytes, offset: int) -> bool:
        try:
            return os.pwrite(self._file, data, offset) == len(data)
        except OSError:
            return False


class VectorCacheClient:
    """The access of a stage to the actors of the cache, which divide the texts among them by their digests.

    Args:
        actors: the same ones in the same order everywhere.
    """

    def __init__(self, *actors: Any) -> None:
        self._actors = actors

    def put(self, owner: str, texts: Sequence[str], vectors: np.ndarray) -> None:
        """Store the vectors of texts; they are available to all actors when this returns."""
        import ray

        ray.get(self._put(owner, [text_digest(text) for text in texts], vectors))

    def release_claims(self) -> None:
        """Let anyone claim what others have claimed."""
        for actor in self._actors:
            actor.release_claims.remote()

    def embed(self, owner: str, texts: Sequence[str], encode: Encode, dimension: int) -> tuple[np.ndarray, int]:
        """The vectors of texts; the run embeds each text once.

        Args:
            owner: the name of the calling actor, the same after its restart.
            encode: called with the texts that this actor is to embed, each once.

        Returns:
            A float32 array of shape (len(texts), dimension), and the number of texts that were not embedded here.
        """
        keys = [text_digest(text) for text in texts]
        first: dict[bytes, int] = {}
        for index, key in enumerate(keys):
            first.setdefault(key, index)
        found: dict[bytes, np.ndarray] = {}
        waiting, embedded = list(first), 0
        while waiting:
            claimed = self._look_up(owner, waiting, found)
            if claimed:

                def done(indices: Sequence[int], vectors: np.ndarray, claimed: list[bytes] = claimed) -> None:
                    self._put(owner, [claimed[index] for index in indices], vectors)

                vectors = encode([texts[first[key]] for key in claimed], done)
                found.update(zip(claimed, vectors, strict=True))
                embedded += len(claimed)
            waiting = [key for key in waiting if key not in found]
            if waiting and not claimed:
                time.sleep(POLL_SECONDS)
        matrix = np.empty((len(texts), dimension), np.float32)
        for index, key in enumerate(keys):
            matrix[index] = found[key]
        return matrix, len(texts) - embedded

    def _look_up(self, owner: str, keys: Sequence[bytes], found: dict[bytes, np.ndarray]) -> list[bytes]:
        """Add the known vectors to `found`; returns the digests that the caller is to embed, in their order."""
        import ray

        parts = self._divided(keys)
        asked = [[keys[index] for index in indices] for indices in parts.values()]
        lookups: list[Lookup] = ray.get(
            [self._actors[number].look_up.remote(owner, part) for number, part in zip(parts, asked, strict=True)]
        )
        claimed: list[int] = []
        for indices, part, lookup in zip(parts.values(), asked, lookups, strict=True):
            found.update((part[index], vector) for index, vector in zip(lookup.known, lookup.vectors, strict=True))
            claimed += [indices[index] for index in lookup.claimed]
        return [keys[index] for index in sorted(claimed)]

    def _put(self, owner: str, keys: Sequence[bytes], vectors: np.ndarray) -> list[Any]:
        """Send vectors to their actors; returns what to wait for."""
        if len(self._actors) == 1:
            return [self._actors[0].put.remote(owner, keys, vectors)]
        return [
            self._actors[number].put.remote(owner, [keys[index] for index in indices], vectors[indices])
            for number, indices in self._divided(keys).items()
        ]

    def _divided(self, keys: Sequence[bytes]) -> dict[int, list[int]]:
        """The indices of the digests, by the number of the actor that keeps their vectors."""
        parts: dict[int, list[int]] = {}
        for index, key in enumerate(keys):
            parts.setdefault(int.from_bytes(key[:4]) % len(self._actors), []).append(index)
        return parts
