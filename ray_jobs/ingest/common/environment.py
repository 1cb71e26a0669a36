"""Settings from the environment, checked for the marks that a file or a quoted line of one leaves around a value."""

from __future__ import annotations

import os

from ingest.common.errors import ConfigurationError

_QUOTES = "'\"`\u2018\u2019\u201c\u201d"
_INVISIBLE = "\ufeff\u200b\u00a0"
"""A byte order mark, and spaces that are copied from web pages."""


def remove_empty(prefix: str) -> None:
    """Remove the variables whose names begin with `prefix` and that are empty.

    A line `NAME=$NAME` of docker compose makes one of a variable that is not set, and libraries take it for a value.
    """
    for name in [name for name, value in os.environ.items() if name.startswith(prefix) and not value]:
        del os.environ[name]


def variable(name: str) -> str:
    """The value of an environment variable; empty if it is not set.

    Raises:
        ConfigurationError: white space or quotes surround the value, as if it came from a file with a line break at its
            end (`kubectl create secret --from-file`) or from a line `NAME="value"` that no shell read.
    """
    value = os.environ.get(name, "")
    if value != value.strip().strip(_INVISIBLE):
        raise ConfigurationError(
            f"{name} begins or ends with white space, such as the line break at the end of a file; set it without"
        )
    if len(value) > 1 and value[0] in _QUOTES and value[-1] in _QUOTES:
        raise ConfigurationError(f"{name} is in quotes, which no shell has removed; set it without")
    return value
