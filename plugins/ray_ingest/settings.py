"""The flags of the job scripts that a run's form can set, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """A flag of some pipelines' scripts that a run's form can set.

    :param flag: its name without dashes; the form's field has underscores in it.
    :param pipelines: those whose script has the flag.
    :param description: of the field.
    :param schema: of the field's value, in JSON Schema beside the type.
    :param default: what stands for an empty field: the Airflow Variable ``ingest_<name>``, or else this; without one,
        the script's own default.
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
    Setting("language", ("videos",), "Of the speech, such as en or zh; empty: detected."),
)  # fmt: skip
