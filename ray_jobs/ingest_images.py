"""Turn the images under a prefix into vectors in Milvus that texts and images find.

As a Ray job:  ray job submit --working-dir ray_jobs -- python ingest_images.py --source s3://... --milvus-uri http://...
By hand:       python ray_jobs/ingest_images.py --source ./photos --milvus-uri http://127.0.0.1:19530

Reads the object store's credentials from AWS_*, AWS_ENDPOINT_URL and the token of Milvus from MILVUS_TOKEN.
Exit codes: 0 done, 2 bad arguments or configuration, 3 too many objects failed, 4 a dependency is unreachable, 1 else.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ingest.common.identity import fingerprint
from ingest.image.decoder import SUFFIXES
from ingest.milvus.schema import IMAGES
from ingest.models.clip_model import ClipModel, check_weights, describe_clip, square_of
from ingest.run.options import Options, Parser, add_clip_flags, add_common_flags, options_from
from ingest.run.report import Report
from ingest.run.run import run
from ingest.run.script import finish, say
from ingest.stages.images import DecodeSettings, EmbedImages, decode_images
from ingest.stages.pipeline import Collection, Pipeline, Reuse, map_model, map_objects
from ingest.stages.resources import ModelStage

if TYPE_CHECKING:
    from ray.data import Dataset

    from ingest.stages.progress import Reporter
    from ingest.stages.resources import Resources

REVISION = 1
"""Raise it when the same image gives another row than before: every object is then processed anew."""

BLOCK_BYTES = 8 << 20
"""Of tables between the stages: some fifty images."""

GPU_IMAGES = 256
"""Images per call of a model on a GPU."""


def image_pipeline(model: ClipModel, batch_size: int, options: Options) -> Pipeline:
    """The pipeline's stages and collection; whatever shapes its rows is in its fingerprint."""

    def build(differences: Dataset, resources: Resources, observe: Reporter, reuse: Reuse) -> Dataset:
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
        models=(ModelStage("embed", model.weight_bytes, batch_size=batch_size),),
        fingerprint=fingerprint("images", REVISION, {"model": model.identity}),
        build=build,
        block_bytes=BLOCK_BYTES,
        objects_per_actor=64,
    )


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__.split("\n")[0])
    add_common_flags(parser)
    add_clip_flags(parser)
    arguments = parser.parse_args(argv)

    def work() -> Report:
        options = options_from(arguments)
        model = describe_clip(arguments.clip_model, arguments.clip_pretrained)
        return run(image_pipeline(model, arguments.clip_batch_size, options), options, say)

    return finish(work, arguments.report)


if __name__ == "__main__":
    sys.exit(main())
