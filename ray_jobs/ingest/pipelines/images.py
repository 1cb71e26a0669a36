"""The image pipeline: decode, embed."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from ingest.common.identity import fingerprint
from ingest.image.decoder import SUFFIXES
from ingest.milvus.schema import IMAGES
from ingest.models.clip_model import check_weights, find_clip_model, square_of
from ingest.pipelines.clip_flags import CLIP_FLAGS
from ingest.run.options import Options
from ingest.stages.images import DecodeSettings, EmbedImages, decode_images
from ingest.stages.pipeline import Collection, Pipeline, Reuse, map_model, map_objects
from ingest.stages.resources import ModelStage

if TYPE_CHECKING:
    from ray.data import Dataset

    from ingest.stages.progress import ProgressReporter
    from ingest.stages.resources import Resources

REVISION = 1
"""Raise it when the same image gives another row than before: every object is then processed anew."""

BLOCK_BYTES = 8 << 20
"""Of tables between the stages: some fifty images."""

GPU_IMAGES = 256
"""Images per call of the model on a GPU."""

FLAGS = CLIP_FLAGS


def image_pipeline(arguments: Namespace, options: Options) -> Pipeline:
    """The pipeline that the flags describe; whatever shapes its rows is in its fingerprint.

    Raises:
        ConfigurationError: the model cannot be used.
    """
    model = find_clip_model(arguments.clip_model, arguments.clip_pretrained)

    def build(differences: Dataset, resources: Resources, observe: ProgressReporter, reuse: Reuse) -> Dataset:
        square = square_of(model)
        check_weights(model)
        decoded = map_objects(
            differences,
            decode_images,
            resources,
            settings=DecodeSettings(square, options.max_object_bytes, options.limits),
            observe=observe,
        )
        return map_model(
            decoded,
            EmbedImages,
            resources.pools["embed"],
            GPU_IMAGES,
            model=model.name,
            pretrained=model.pretrained,
            dimension=model.dimension,
            size=square.size,
            observe=observe,
        )

    return Pipeline(
        name="images",
        unit="images",
        suffixes=SUFFIXES,
        collections=(Collection(IMAGES, model.dimension, model.label),),
        model=model.identity,
        models=(ModelStage("embed", model.weight_bytes, batch_size=arguments.clip_batch_size),),
        fingerprint=fingerprint("images", REVISION, {"model": model.identity}),
        build=build,
        block_bytes=BLOCK_BYTES,
        objects_per_actor=64,
    )
