"""The tokens that the service accepts: in an environment variable or a file of its node, never in its settings.

Ray shows the arguments, the runtime_env and the output of a job to every client of the cluster.
"""

from __future__ import annotations

import hmac
import os
from contextlib import suppress
from pathlib import Path

from ingest.common.environment import variable
from ingest.common.errors import ConfigurationError

SHORTEST = 16
"""Characters of a token, so that nobody guesses it."""


class Tokens:
    """The tokens, any of which opens the service.

    Args:
        variable_name: environment variable with the token, which is read once.
        path: file with one token a line, which is read again when it changes: so a token is replaced by adding the new
            one, and removing the old one when no client uses it any longer. Empty for the variable.

    Raises:
        ConfigurationError: there is no token, or one is too short.
    """

    def __init__(self, variable_name: str, path: str = "") -> None:
        self._path = Path(path) if path else None
        self._stamp: tuple[int, int] = (0, 0)
        self._tokens: list[bytes] = []
        if self._path is not None:
            self._read(self._path)
        else:
            self._tokens = _checked([variable(variable_name)], f"the environment variable {variable_name}")

    def accepts(self, authorization: str) -> bool:
        """Whether an Authorization header has a token that opens the service."""
        scheme, _, given = authorization.strip().partition(" ")
        if self._path is not None:
            with suppress(ConfigurationError):  # while it is being replaced
                self._read(self._path)
        sent = given.strip().encode()
        # All of them are compared, so that the time tells nothing.
        same = [hmac.compare_digest(sent, token) for token in self._tokens]
        return scheme.lower() == "bearer" and any(same)

    def _read(self, path: Path) -> None:
        try:
            found = path.stat()
            if (stamp := (found.st_mtime_ns, found.st_ino)) == self._stamp:
                return
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ConfigurationError(
                f"the file {str(path)!r} with the search token cannot be read ({reason})"
            ) from None
        self._tokens = _checked([line.strip() for line in lines if line.strip()], f"the file {str(path)!r}")
        self._stamp = stamp


def _checked(tokens: list[str], where: str) -> list[bytes]:
    if not any(tokens):
        raise ConfigurationError(
            f"{where} has no token on the node {os.uname().nodename}, and the search service answers nobody without "
            "one; put a random text there, on every Ray node"
        )
    if any(len(token) < SHORTEST for token in tokens):
        raise ConfigurationError(f"a token in {where} has fewer than {SHORTEST} characters; use a longer one")
    return [token.encode() for token in tokens]
