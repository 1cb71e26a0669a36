"""The image pipeline: decode the images and embed them."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from ingest.common.identity import fingerprint
from ingest.image.decoder import SUFFIXES
from ingest.milvus.schema import IMAGES
from ingest.models.clip_model import check_weights, find_clip_model, input_square
from ingest.pipelines.clip_flags import CLIP_FLAGS
from ingest.run.options import RunOptions
from ingest.stages.images import DecodeSettings, EmbedImages, decode_images
from ingest.stages.pipeline import Collection, Pipeline, Shared, map_model, map_objects
from ingest.stages.requests import ModelStage

if TYPE_CHECKING:
    from ray.data import Dataset

    from ingest.stages.progress import ProgressReporter
    from ingest.stages.requests import Resources

REVISION = 11
"""Increase it when the code gives another row for the same image; the next run then processes every object again."""

BLOCK_BYTES = 8 << 20
"""Size of the tables between the stages: about fifty images."""

BYTES_PER_BLOCK = 32 << 20
"""Bytes of the images that a parse task reads: a second of work. 855 images took 41.9 s with ViT-B/32 on two cores, and
50.9 s with blocks of 16 images."""

IMAGES_PER_GPU_CALL = 256
"""Images per call of the model on a GPU."""

FLAGS = CLIP_FLAGS


def image_pipeline(arguments: Namespace, options: RunOptions) -> Pipeline:
    """Build the pipeline from its flags. Its fingerprint covers everything that shapes its rows.

    Raises:
        ConfigurationError: the model is not usable.
    """
    model = find_clip_model(arguments.clip_model, arguments.clip_pretrained)

    def build(differences: Dataset, resources: Resources, observe: ProgressReporter, shared: Shared) -> Dataset:
        square = input_square(model)
        check_weights(model)
        decoded = map_objects(
            differences,
            decode_images,
            resources,
            settings=DecodeSettings(square, options.reading(), options.limits),
            observe=observe,
        )
        return map_model(
            decoded,
            EmbedImages,
            resources.pools["embed"],
            IMAGES_PER_GPU_CALL,
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
        bytes_per_block=BYTES_PER_BLOCK,
        parts_per_write=1000,
        objects_per_actor=64,
    )
