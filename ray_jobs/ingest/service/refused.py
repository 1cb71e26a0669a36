"""The answer to a request that gets no other one: a status and one sentence."""

from __future__ import annotations

AGAIN_SECONDS = 5
"""Seconds after which a client may ask again what could not be answered for a while."""


class RefusedError(Exception):
    """The request is refused.

    Args:
        status: of HTTP.
        sentence: what is wrong, and what to do.
        again_seconds: seconds after which the client may ask again; 0 if it need not.
    """

    def __init__(self, status: int, sentence: str, again_seconds: int = 0) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.again_seconds = again_seconds
