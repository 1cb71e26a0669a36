"""The flags of the job scripts that the form of a run can set, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """A flag of some pipelines' scripts that the form of a run can set.

    :param flag: its name without leading dashes; the name of the form's field has underscores instead of dashes.
    :param pipelines: the pipelines whose script has the flag.
    :param description: shown beside the field.
    :param type: of the field's value, in JSON Schema.
    :param schema: the other JSON Schema keywords of the field's value.
    :param default: replaces an empty field where the Airflow Variable ``ingest_<name>`` does not exist either. None:
        there is no such Variable, and an empty field leaves the script its own default.
    """

    flag: str
    pipelines: tuple[str, ...]
    description: str
    type: str = "string"
    schema: Mapping[str, Any] | None = None
    default: str | None = None

    @property
    def name(self) -> str:
        return self.flag.replace("-", "_")


SETTINGS = (
    Setting(
        "embedding-model", ("pdfs", "videos"), "A sentence-transformers model or a local path.", default="BAAI/bge-m3"
    ),
    Setting("chunk-tokens", ("pdfs",), "Size of a chunk in tokens of the model.", "integer", {"minimum": 16}),
    Setting("chunk-overlap", ("pdfs",), "Tokens that neighbouring chunks share.", "integer", {"minimum": 0}),
    Setting("ocr", ("pdfs",), "Whether scanned pages are read; empty: auto.", schema={"enum": [None, "auto", "off"]}),
    Setting("caption-model", ("pdfs",), "Describes figures; a transformers model or a local path.", default=""),
    Setting("clip-model", ("images", "videos"), "An open_clip model or a local path.", default="ViT-B-32"),
    Setting(
        "clip-pretrained", ("images", "videos"), "Weights of that model, by open_clip's name.",
        default="laion2b_s34b_b79k",
    ),
    Setting("whisper-model", ("videos",), "A faster-whisper model or a local path.", default="small"),
    Setting("language", ("videos",), "Language of the speech, such as en or zh; empty: detected."),
)  # fmt: skip


def settings_of(*pipelines: str) -> list[Setting]:
    """The settings of the scripts of these pipelines."""
    return [setting for setting in SETTINGS if set(setting.pipelines) & set(pipelines)]
