"""The video pipeline: take out sound and key frames, embed the frames, transcribe the speech, embed its passages."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from ingest.common.identity import fingerprint
from ingest.milvus.schema import VIDEO_FRAMES, VIDEO_SEGMENTS
from ingest.models.clip_model import check_weights, find_clip_model, square_of
from ingest.models.text_model import find_text_model
from ingest.models.whisper_model import find_whisper_model
from ingest.pipelines.clip_flags import CLIP_FLAGS
from ingest.pipelines.text_flags import EMBEDDING_MODEL, check_length
from ingest.run.flags import COUNT, POSITIVE, Flag
from ingest.run.options import Options
from ingest.stages.pipeline import Collection, Pipeline, Reuse, map_model, map_objects
from ingest.stages.resources import ModelStage

if TYPE_CHECKING:
    from ray.data import Dataset

    from ingest.stages.progress import ProgressReporter
    from ingest.stages.resources import Resources

REVISION = 1
"""Raise it when the same file gives other rows than before: every object is then processed anew."""

SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".wmv", ".flv", ".f4v",
    ".3gp", ".3g2", ".ogv", ".mxf", ".vob",
    ".mp3", ".m4a", ".aac", ".flac", ".wav", ".ogg", ".oga", ".opus", ".wma", ".aif", ".aiff", ".amr", ".caf", ".au",
)  # fmt: skip
"""Endings of the objects that are read, in lower case: videos, and sound alone."""

WORK = {"frames": 1.0, "transcribe": 8.0, "embed": 0.5}
"""Seconds of each model for a minute of a talk, roughly, on a CPU (Whisper base, CLIP and MiniLM: 15, 2 and 1)."""

GPU_PARTS = 16
"""Objects per call of the text model on a GPU."""

FLAGS = (
    Flag(
        "whisper-model",
        "Whisper model: a size, a hub name, or a folder in CTranslate2 form.",
        metavar="NAME",
        default="small",
        in_form=True,
        site_default=True,
    ),
    Flag("whisper-batch-size", "Half minutes of speech per forward pass.", COUNT, metavar="N", default=8),
    Flag(
        "language",
        "Language of the speech, such as en or zh. By default, it is detected.",
        metavar="CODE",
        default="",
        in_form=True,
    ),
    EMBEDDING_MODEL,
    Flag("passage-tokens", "Longest passage, in tokens of the text model.", COUNT, metavar="N", default=200),
    Flag("passage-seconds", "Longest passage.", POSITIVE, metavar="S", default=30),
    *CLIP_FLAGS,
    Flag("max-frames", "Key frames of a file. Of more, every second one is dropped.", COUNT, metavar="N", default=2000),
)


def video_pipeline(arguments: Namespace, options: Options) -> Pipeline:
    """The pipeline that the flags describe; whatever shapes its rows is in its fingerprint.

    Raises:
        ConfigurationError: a model cannot be used, or flags contradict each other.
    """
    # Imported here: PyAV takes a second, and the flags do not need it.
    from ingest.media.extraction import MediaSettings
    from ingest.stages.videos import PassageSettings

    text = find_text_model(arguments.embedding_model)
    check_length("--passage-tokens", arguments.passage_tokens, text, arguments.embedding_model, "passage")
    clip = find_clip_model(arguments.clip_model, arguments.clip_pretrained)
    speech = find_whisper_model(arguments.whisper_model)
    passages = PassageSettings(
        arguments.language, arguments.passage_tokens, arguments.passage_seconds, text.tokenizer_json
    )
    media = MediaSettings(max_seconds=options.limits.media_seconds, max_frames=arguments.max_frames)

    def build(differences: Dataset, resources: Resources, observe: ProgressReporter, reuse: Reuse) -> Dataset:
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
            before_embedding=reuse.load_stored,
        )
        return map_model(
            heard,
            EmbedPassages,
            resources.pools["embed"],
            GPU_PARTS,
            model=text.name,
            dimension=text.dimension,
            observe=observe,
            cache=reuse.cache,
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
