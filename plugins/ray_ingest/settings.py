"""The flags of the job scripts that the form of a run can set.

``flags.json`` holds them as data. ``tests/generate.py`` writes it from the declarations of the scripts, so that Airflow
reads them without importing anything of the Ray side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Setting:
    """A flag that the form of a run can set.

    :param flag: its name without leading dashes.
    :param title: the name that people read beside the field.
    :param rare: whether few runs need it.
    :param help: its meaning, in whole sentences.
    :param schema: JSON Schema of its value.
    :param default: the script's default.
    :param site_default: whether the Airflow Variable ``ingest_<name>`` may hold another default.
    """

    flag: str
    title: str
    rare: bool
    help: str
    schema: Mapping[str, Any]
    default: Any
    site_default: bool

    @property
    def name(self) -> str:
        """The name of the form's field."""
        return self.flag.replace("-", "_")

    @property
    def variable(self) -> str:
        """The name of the Airflow Variable with the site's default."""
        return f"ingest_{self.name}"


_FLAGS = json.loads((Path(__file__).parent / "flags.json").read_text(encoding="utf-8"))

RUN_SETTINGS = tuple(Setting(**flag) for flag in _FLAGS["run"])
"""The settings of every pipeline's runs."""

SWEEP_SETTINGS = ("dry-run", "max-failed-fraction", "max-deleted-fraction")
"""The flags of RUN_SETTINGS that the form of a sweep can set."""

SHARED_SETTINGS = ("resources", "metadata", "partition-key")
"""Those that every run over the same objects needs alike, beside the settings of the models."""

LOOKBACK_DAYS = 3
MAX_LOOKBACK_DAYS = 366
"""The days before its partition that a scheduled run takes too: the default of the Variable, and the most."""


def model_settings(*pipelines: str) -> list[Setting]:
    """The settings of these pipelines' models and parsers, each once."""
    settings = (Setting(**flag) for pipeline in pipelines for flag in _FLAGS[pipeline])
    return list({setting.flag: setting for setting in settings}.values())
