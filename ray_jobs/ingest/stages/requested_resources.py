"""Checks of the resources that a user requests with `--resources`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ingest.common.errors import ConfigurationError


def check_resources(requested: Any, stages: Sequence[str]) -> None:
    """Check the value of `--resources`.

    Args:
        requested: by stage, an object with any of `actors` (a number, or [least, most]), `cpus` and `gpus` per actor,
            `threads` and `batch`; for the stage `parse` only `cpus`.
        stages: the names of the pipeline's model stages.

    Raises:
        ConfigurationError: a stage, a key or a value is not among these.
    """
    if not isinstance(requested, dict):
        raise ConfigurationError("--resources is not a JSON object such as " + _EXAMPLE)
    for stage, settings in requested.items():
        keys = {"cpus": _is_positive_amount} if stage == "parse" else _KEYS
        if stage != "parse" and stage not in stages:
            raise ConfigurationError(
                f"--resources: no stage is named {stage!r}; the stages are parse, {', '.join(stages)}"
            )
        for key, value in settings.items() if isinstance(settings, dict) else [("", settings)]:
            if key not in keys or not keys[key](value):
                raise ConfigurationError(
                    f"--resources: {stage} cannot have {key or 'the value'} {value!r}; write, for example, {_EXAMPLE}"
                )


_EXAMPLE = '{"embed": {"actors": [1, 4], "cpus": 1, "gpus": 0.5, "batch": 64}, "parse": {"cpus": 1}}'


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_amount(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf


def _is_positive_amount(value: Any) -> bool:
    return _is_amount(value) and value > 0


def _is_range(value: Any) -> bool:
    return _is_count(value) or (
        isinstance(value, list) and len(value) == 2 and all(map(_is_count, value)) and value[0] <= value[1]
    )


_KEYS = {"actors": _is_range, "cpus": _is_amount, "gpus": _is_amount, "threads": _is_count, "batch": _is_count}
