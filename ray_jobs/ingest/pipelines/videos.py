"""The video pipeline: extract sound and key frames, embed the frames, transcribe the speech, embed its passages."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from ingest.common.identity import fingerprint
from ingest.milvus.schema import VIDEO_FRAMES, VIDEO_SEGMENTS
from ingest.models.clip_model import check_weights, find_clip_model, input_square
from ingest.models.speech_model import find_speech_model
from ingest.models.text_encoder import TEXTS_PER_PASS
from ingest.models.text_model import find_text_model
from ingest.pipelines.cache_flag import PARSE_CACHE_FLAG, cache_of
from ingest.pipelines.clip_flags import CLIP_FLAGS
from ingest.pipelines.text_flags import EMBEDDING_MODEL_FLAG, check_text_length
from ingest.run.flags import COUNT, POSITIVE, Flag
from ingest.run.options import RunOptions
from ingest.stages.pipeline import Collection, Pipeline, Shared, map_model, map_objects
from ingest.stages.requests import ModelStage

if TYPE_CHECKING:
    from ray.data import Dataset

    from ingest.stages.progress import ProgressReporter
    from ingest.stages.requests import ActorPool, Resources

REVISION = 9
"""Increase it when the code gives other rows for the same file; the next run then processes every object again.

It was not increased for the times of words: texts are the same, and rows and kept transcripts without them serve as
before.
"""

SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".wmv", ".flv", ".f4v",
    ".3gp", ".3g2", ".ogv", ".mxf", ".vob",
    ".mp3", ".m4a", ".aac", ".flac", ".wav", ".ogg", ".oga", ".opus", ".wma", ".aif", ".aiff", ".amr", ".caf", ".au",
)  # fmt: skip
"""Endings of the names of the objects that the pipeline reads, in lower case: videos and sound files."""

WORK_BY_STAGE = {"frames": 1.0, "transcribe": 8.0, "embed": 0.5}
"""Relative work of each model: roughly its CPU seconds for a minute of a talk (Whisper base 15, CLIP 2, MiniLM 1)."""

PARTS_PER_GPU_CALL = 32
"""Parts of objects per call of the text model on a GPU: most have one of passages and one of key frames."""

STRETCH_CLIPS = 4
"""The most clips of a stretch of a long recording where the speech is transcribed on CPUs: two minutes at most, so that
all actors end at about the same time. On a GPU they are a forward pass."""

PARSERS_PER_CPU_MODEL = 0.25
"""Parse tasks for each model on CPUs, as these take many times as long for a recording as decoding it. On two cores, a
second task only delayed the models: 44 recordings took 45.3 instead of 40.4 s."""

FLAGS = (
    Flag(
        "whisper-model",
        "Whisper model: a size, a hub name, or a folder in CTranslate2 form.",
        metavar="NAME",
        default="small",
        may_be_path=True,
        title="Speech model",
        site_default=True,
    ),
    Flag(
        "whisper-batch-size",
        "Clips of speech, of at most half a minute each, per forward pass.",
        COUNT,
        metavar="N",
        default=8,
    ),
    Flag(
        "language",
        "Language of the speech, such as en or zh. By default, it is detected.",
        metavar="CODE",
        default="",
        title="Language of the speech",
    ),
    EMBEDDING_MODEL_FLAG,
    Flag(
        "passage-tokens", "Length of the longest passage, in tokens of the text model.", COUNT, metavar="N", default=200
    ),
    Flag("passage-seconds", "Length of the longest passage, in seconds.", POSITIVE, metavar="S", default=30),
    *CLIP_FLAGS,
    Flag(
        "max-frames",
        "Largest number of key frames per file. Whenever there are more, every second one is dropped.",
        COUNT,
        metavar="N",
        default=2000,
    ),
    PARSE_CACHE_FLAG,
)


def video_pipeline(arguments: Namespace, options: RunOptions) -> Pipeline:
    """Build the pipeline from its flags. Its fingerprint covers everything that shapes its rows.

    Raises:
        ConfigurationError: a model is not usable, or a passage is longer than the text model reads.
    """
    # Imported here, since PyAV takes a second and the flags do not need it.
    from ingest.media.extraction import MediaSettings
    from ingest.stages.transcribe import PassageSettings

    text = find_text_model(arguments.embedding_model)
    check_text_length("--passage-tokens", arguments.passage_tokens, text, arguments.embedding_model, "passage")
    clip = find_clip_model(arguments.clip_model, arguments.clip_pretrained)
    speech = find_speech_model(arguments.whisper_model)
    passages = PassageSettings(
        arguments.language, arguments.passage_tokens, arguments.passage_seconds, text.tokenizer_json
    )
    hearing = {"speech": speech.identity, "language": passages.language}
    cache = cache_of(arguments, options, "videos", "transcript", hearing, REVISION)
    media = MediaSettings(max_seconds=options.limits.media_seconds, max_frames=arguments.max_frames)

    def build(differences: Dataset, resources: Resources, observe: ProgressReporter, shared: Shared) -> Dataset:
        from dataclasses import replace

        from ingest.stages.divided_recordings import Division
        from ingest.stages.transcribe import Transcribe
        from ingest.stages.videos import EmbedFrames, EmbedPassages, ExtractSettings, extract_media

        square = input_square(clip)
        check_weights(clip)
        extracted = map_objects(
            differences,
            extract_media,
            resources.with_parsers_per_model(PARSERS_PER_CPU_MODEL),
            settings=ExtractSettings(
                replace(media, image_size=square.size),
                options.reading(),
                options.limits,
                Division(_stretch_clips(resources.pools["transcribe"])),
                cache,
            ),
            observe=observe,
            collector=shared.collector,
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
            before_embedding=shared.load_stored,
            collector=shared.collector,
            cache=cache,
        )
        return map_model(
            heard,
            EmbedPassages,
            resources.pools["embed"],
            PARTS_PER_GPU_CALL,
            model=text.name,
            dimension=text.dimension,
            observe=observe,
            cache=shared.cache,
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
    batches = {
        "frames": arguments.clip_batch_size,
        "transcribe": arguments.whisper_batch_size,
        "embed": TEXTS_PER_PASS,
    }
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
        models=tuple(
            ModelStage(name, sizes[name], work, batches[name], divides_objects=True)
            for name, work in WORK_BY_STAGE.items()
        ),
        fingerprint=fingerprint("videos", REVISION, shape),
        build=build,
        cache=cache,
        objects_per_actor=1,
    )


def _stretch_clips(pool: ActorPool) -> int:
    """The most clips of a stretch, where `pool` transcribes it."""
    return pool.batch_size if pool.gpus else min(STRETCH_CLIPS, pool.batch_size)
