"""Turn the videos and recordings under a prefix into spoken passages and key frames in Milvus.

As a Ray job:  ray job submit --working-dir ray_jobs -- python ingest_videos.py --source s3://... --milvus-uri http://...
By hand:       python ray_jobs/ingest_videos.py --source ./talks --milvus-uri http://127.0.0.1:19530

Reads the object store's credentials from AWS_*, AWS_ENDPOINT_URL and the token of Milvus from MILVUS_TOKEN.
Exit codes: 0 done, 2 bad arguments or configuration, 3 too many objects failed, 4 a dependency is unreachable, 1 else.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from ingest.common.errors import ConfigurationError
from ingest.common.identity import fingerprint
from ingest.milvus.schema import VIDEO_FRAMES, VIDEO_SEGMENTS
from ingest.models.clip_model import ClipModel, check_weights, describe_clip, square_of
from ingest.models.text_model import TextModel, describe
from ingest.models.whisper_model import SpeechModel, describe_whisper
from ingest.run.options import (
    Options,
    Parser,
    add_clip_flags,
    add_common_flags,
    options_from,
    positive,
    positive_count,
)
from ingest.run.report import Report
from ingest.run.run import run
from ingest.run.script import finish, say
from ingest.stages.pipeline import Collection, Pipeline, Reuse, map_model, map_objects
from ingest.stages.resources import ModelStage

if TYPE_CHECKING:
    from ray.data import Dataset

    from ingest.stages.progress import Reporter
    from ingest.stages.resources import Resources

REVISION = 1
"""Raise it when the same file gives other rows than before: every object is then processed anew."""

SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".wmv", ".flv", ".f4v",
    ".3gp", ".3g2", ".ogv", ".mxf", ".vob",
    ".mp3", ".m4a", ".aac", ".flac", ".wav", ".ogg", ".oga", ".opus", ".wma", ".aif", ".aiff", ".amr", ".caf", ".au",
)  # fmt: skip
"""Of the objects that are taken, lower case: videos, and sound alone."""

WORK = {"frames": 1.0, "transcribe": 8.0, "embed": 0.5}
"""Seconds of each model for a minute of a talk, roughly, on a CPU (Whisper base, CLIP and MiniLM: 15, 2 and 1)."""


def video_pipeline(
    speech: SpeechModel, text: TextModel, clip: ClipModel, arguments: Namespace, options: Options
) -> Pipeline:
    """The pipeline's stages and collections; whatever shapes its rows is in its fingerprint."""
    from ingest.media.extraction import MediaSettings
    from ingest.stages.videos import PassageSettings

    passages = PassageSettings(
        arguments.language, arguments.passage_tokens, arguments.passage_seconds, text.tokenizer_json
    )
    media = MediaSettings(max_seconds=options.limits.media_seconds, max_frames=arguments.max_frames)

    def build(differences: Dataset, resources: Resources, observe: Reporter, reuse: Reuse) -> Dataset:
        from dataclasses import replace

        from ingest.stages.videos import EmbedFrames, EmbedPassages, ExtractSettings, Transcribe, extract_media

        square = square_of(clip)
        check_weights(clip)
        extracted = map_objects(
            differences,
            extract_media,
            resources,
            settings=ExtractSettings(replace(media, image_size=square.size), options.max_object_bytes, options.limits),
            observe=observe,
        )
        seen = map_model(
            extracted,
            EmbedFrames,
            resources.pools["frames"],
            1,
            model=clip.name,
            pretrained=clip.pretrained,
            dimension=clip.dimension,
            size=square.size,
            observe=observe,
        )
        heard = map_model(
            seen,
            Transcribe,
            resources.pools["transcribe"],
            1,
            model=speech.name,
            settings=passages,
            observe=observe,
            before_embedding=reuse.stored,
        )
        return map_model(
            heard,
            EmbedPassages,
            resources.pools["embed"],
            16,
            model=text.name,
            dimension=text.dimension,
            observe=observe,
            known=reuse.known,
        )

    shape = {
        "speech": speech.identity,
        "text": text.identity,
        "clip": clip.identity,
        "language": passages.language,
        "tokens": passages.tokens,
        "seconds": passages.seconds,
        "media": {name: value for name, value in asdict(media).items() if name not in ("image_size", "max_seconds")},
    }
    batches = {"frames": arguments.clip_batch_size, "transcribe": arguments.whisper_batch_size, "embed": 32}
    sizes = {"frames": clip.weight_bytes, "transcribe": speech.weight_bytes, "embed": text.weight_bytes}
    return Pipeline(
        name="videos",
        unit="passages",
        suffixes=SUFFIXES,
        collections=(
            Collection(VIDEO_SEGMENTS, text.dimension, text.name),
            Collection(VIDEO_FRAMES, clip.dimension, clip.label),
        ),
        model=f"{text.identity} {clip.identity}",
        models=tuple(ModelStage(name, sizes[name], work, batches[name]) for name, work in WORK.items()),
        fingerprint=fingerprint("videos", REVISION, shape),
        build=build,
        objects_per_actor=1,
    )


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__.split("\n")[0])
    add_common_flags(parser)
    add = parser.add_argument
    add("--whisper-model", default="small", metavar="NAME",
        help="size, hub name or folder of a CTranslate2 model (default: small)")  # fmt: skip
    add("--whisper-batch-size", type=positive_count, default=8, metavar="N",
        help="half minutes of speech per forward pass (default: 8)")  # fmt: skip
    add("--language", default="", metavar="CODE", help="of the speech, such as en or zh (default: detected)")
    add("--embedding-model", default="BAAI/bge-m3", metavar="NAME",
        help="sentence-transformers model by hub name or path (default: BAAI/bge-m3)")  # fmt: skip
    add("--passage-tokens", type=positive_count, default=200, metavar="N",
        help="longest passage, in tokens of that model (default: 200)")  # fmt: skip
    add("--passage-seconds", type=positive, default=30, metavar="S", help="longest passage (default: 30)")
    add_clip_flags(parser)
    add("--max-frames", type=positive_count, default=2000, metavar="N",
        help="key frames of a file; of more, every second one is dropped (default: 2000)")  # fmt: skip
    arguments = parser.parse_args(argv)

    def work() -> Report:
        options = options_from(arguments)
        text = describe(arguments.embedding_model)
        if arguments.passage_tokens > text.max_tokens:
            raise ConfigurationError(
                f"--passage-tokens {arguments.passage_tokens} is more than {arguments.embedding_model!r} reads "
                f"({text.max_tokens}); the rest of each passage would be lost"
            )
        clip = describe_clip(arguments.clip_model, arguments.clip_pretrained)
        speech = describe_whisper(arguments.whisper_model)
        return run(video_pipeline(speech, text, clip, arguments, options), options, say)

    return finish(work, arguments.report)


if __name__ == "__main__":
    sys.exit(main())
