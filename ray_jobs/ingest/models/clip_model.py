"""Describe a CLIP model from its small files alone, before any process loads it.

A model is named as open_clip names it: an architecture (`ViT-B-32`) with the tag of its weights, `hf-hub:org/name`, or
a folder with `open_clip_config.json`, with or without open_clip's prefix `local-dir:`.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.common.errors import ConfigurationError
from ingest.common.square import Square
from ingest.common.text import one_line
from ingest.models.model_files import find_folder, folder_digest, weight_bytes, weights_identity

LOCAL, HUB = "local-dir:", "hf-hub:"
"""Schemes of open_clip's model names, like those of URIs."""

CONFIG = "open_clip_config.json"

VIT_B_32_WEIGHT_BYTES = 605_000_000
"""151 million parameters in float32: the estimate for a model whose weights are not in a local folder."""


@dataclass(frozen=True, slots=True)
class ClipModel:
    """A CLIP model.

    Attributes:
        name: the name that open_clip loads: an architecture, or a name with a scheme.
        pretrained: tag of the weights of an architecture; None for a name with a scheme.
        dimension: length of its vectors.
        weight_bytes: size of its weights; for a model outside a local folder, the size of the default model.
        identity: changes when the model does.
    """

    name: str
    pretrained: str | None
    dimension: int
    weight_bytes: int
    identity: str

    @property
    def label(self) -> str:
        """Its name in messages, and in the properties of a collection."""
        return self.name if self.pretrained is None else f"{self.name}/{self.pretrained}"


def find_clip_model(name: str, pretrained: str) -> ClipModel:
    """Find the model and read its dimension.

    Args:
        pretrained: tag of the weights; ignored for a folder or a name on the hub.

    Raises:
        ConfigurationError: the model does not exist, or its files lack its dimension.
    """
    local = name.removeprefix(LOCAL)
    if name.startswith((LOCAL, HUB, "/", "~", ".")) or Path(local).is_dir():
        if name.startswith(LOCAL) and not Path(local).expanduser().is_dir():
            raise ConfigurationError(f"--clip-model {name!r}: there is no such folder on the node that runs the job")
        folder, is_local = find_folder(local.removeprefix(HUB), "--clip-model", str, [CONFIG])
        if is_local:
            return ClipModel(
                f"{LOCAL}{folder}", None, _dimension(folder, name), weight_bytes(folder), folder_digest(folder)
            )
        return ClipModel(name, None, _dimension(folder, name), VIT_B_32_WEIGHT_BYTES, name)
    if not pretrained:
        raise ConfigurationError(f"--clip-model {name!r} needs --clip-pretrained: the tag of its weights")
    config = _architectures() / f"{name}.json"
    if "/" in name or not config.is_file():
        raise ConfigurationError(
            f"--clip-model {name!r} is no folder and no architecture that open_clip knows; give for "
            "example ViT-B-32, hf-hub:org/name, or the folder of a model with open_clip_config.json"
        )
    return ClipModel(name, pretrained, int(_json(config)["embed_dim"]), VIT_B_32_WEIGHT_BYTES, f"{name}/{pretrained}")


def find_labelled_clip_model(label: str) -> ClipModel:
    """Find the model with the given `ClipModel.label`.

    Raises:
        ConfigurationError: as for `find_clip_model`.
    """
    if label.startswith((LOCAL, HUB)):
        return find_clip_model(label, "")
    name, _, pretrained = label.partition("/")
    return find_clip_model(name, pretrained)


def clip_weights(name: str, pretrained: str | None) -> str:
    """Tells the weights of a model from all others.

    Args:
        name, pretrained: as in `ClipModel`.

    Raises:
        ConfigurationError: the model does not exist, or the hub cannot be reached.
    """
    if pretrained is not None:
        return f"{name}/{pretrained}"
    return weights_identity(name.removeprefix(LOCAL).removeprefix(HUB), "--clip-model", str, [CONFIG])


def input_square(model: ClipModel) -> Square:
    """The square that the model takes as its input. It takes seconds for a model outside a local folder.

    Raises:
        ConfigurationError: open_clip does not know the weights, or the model takes images of another shape.
    """
    if model.name.startswith(LOCAL):
        config = _json(Path(model.name.removeprefix(LOCAL)) / CONFIG)
        size, preprocess = config["model_cfg"]["vision_cfg"].get("image_size", 224), config.get("preprocess_cfg", {})
    else:
        import open_clip

        size = open_clip.get_model_config(model.name)["vision_cfg"].get("image_size", 224)
        preprocess = {}
        if model.pretrained is not None:
            preprocess = open_clip.get_pretrained_cfg(model.name, model.pretrained)
            if not preprocess and not Path(model.pretrained).is_file():
                tags = ", ".join(open_clip.list_pretrained_tags_by_model(model.name))
                raise ConfigurationError(
                    f"--clip-pretrained {model.pretrained!r}: open_clip knows no such weights of {model.name}; "
                    f"it knows {tags}"
                )
    side = preprocess.get("size", size)
    if isinstance(side, (list, tuple)):
        if len(set(side)) != 1:
            raise ConfigurationError(
                f"--clip-model {model.name!r} takes images of {side}, and only square ones are supported"
            )
        side = side[0]
    mode = preprocess.get("resize_mode", "shortest")
    if mode not in ("shortest", "squash"):
        raise ConfigurationError(f"--clip-model {model.name!r} needs the resize mode {mode!r}, which is not supported")
    return Square(int(side), mode == "squash", preprocess.get("interpolation") == "bilinear")


def check_weights(model: ClipModel) -> None:
    """Check that an architecture's weights are available, so that a run fails with one sentence and not in each actor.

    Raises:
        ConfigurationError: the weights are not in the local cache, and the hub cannot be reached.
    """
    if model.pretrained is None:
        return
    import open_clip

    repository = open_clip.get_pretrained_cfg(model.name, model.pretrained).get("hf_hub")
    if repository:
        find_folder("/".join(repository.split("/")[:2]), "--clip-model", str, [CONFIG])


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _architectures() -> Path:
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise ConfigurationError("the package open_clip_torch is not installed on the node that runs the job")
    return Path(spec.origin).parent / "model_configs"


def _dimension(folder: Path, name: str) -> int:
    try:
        config = _json(folder / CONFIG)
        return int(config["model_cfg"]["embed_dim"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"--clip-model {name!r} is not a usable open_clip model "
            f"({type(error).__name__}: {one_line(error, 160)}); it needs {CONFIG} with model_cfg"
        ) from None
