"""The flags of a CLIP model, for the pipelines that use one."""

from __future__ import annotations

from ingest.run.flags import COUNT, Flag

CLIP_FLAGS = (
    Flag(
        "clip-model",
        "CLIP model: an architecture of open_clip, hf-hub:org/name, or a model's folder.",
        metavar="NAME",
        default="ViT-B-32",
        may_be_path=True,
        title="Image model",
        site_default=True,
    ),
    Flag(
        "clip-pretrained",
        "Weights of the architecture, by open_clip's tag.",
        metavar="TAG",
        default="laion2b_s34b_b79k",
        title="Weights of the image model",
        site_default=True,
    ),
    Flag("clip-batch-size", "Images per forward pass on a GPU.", COUNT, metavar="N", default=32),
)
