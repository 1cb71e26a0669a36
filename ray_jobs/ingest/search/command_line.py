"""The command line of the search: questions and images in, answers out as text, JSON or a page."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.common.errors import ConfigurationError, ExitCode, JobError
from ingest.common.text import one_line
from ingest.milvus.client import check_prefix, connect, errors_as_sentences, without_credentials
from ingest.run.flags import COUNT, SWITCH, Flag, Parser, ValueType
from ingest.run.options import MILVUS_FLAGS
from ingest.search.models import QueryModels
from ingest.search.query import (
    COLLECTION,
    OF_TEXT,
    Hit,
    HitKind,
    Mode,
    PageHit,
    SpokenHit,
    search_documents,
    search_frames,
    search_images,
    search_segments,
)

if TYPE_CHECKING:
    import numpy as np
    from pymilvus import MilvusClient

JSON_NAMES = {
    HitKind.PAGES: "hits",
    HitKind.IMAGES: "images",
    HitKind.SPOKEN: "spoken",
    HitKind.FRAMES: "frames",
}
HEADINGS = {
    HitKind.PAGES: "pages",
    HitKind.IMAGES: "images",
    HitKind.SPOKEN: "spoken",
    HitKind.FRAMES: "seen in videos",
}

Answer = Mapping[HitKind, Sequence[Hit]]


def _kinds(text: str) -> list[HitKind]:
    try:
        return [HitKind(name.strip()) for name in text.split(",")]
    except ValueError:
        raise ArgumentTypeError(f"{text!r}: name any of {','.join(HitKind)}") from None


FLAGS = (
    Flag("image", "Search for images and frames that resemble this image, too.", metavar="PATH"),
    *MILVUS_FLAGS,
    Flag(
        "in",
        f"Search only in these: any of {','.join(HitKind)}. By default, in everything that was ingested.",
        ValueType(_kinds, {"type": "string"}),
        metavar="KINDS",
    ),
    Flag(
        "embedding-model",
        "Model of the texts. By default, the one that they were ingested with; --mode words needs none.",
        metavar="NAME",
        default="",
    ),
    Flag(
        "clip-model",
        "Model of the images and frames. By default, the one that they were ingested with.",
        metavar="NAME",
        default="",
    ),
    Flag(
        "clip-pretrained",
        "Weights of an architecture that --clip-model names.",
        metavar="TAG",
        default="laion2b_s34b_b79k",
    ),
    Flag("limit", "Return at most N hits of each kind.", COUNT, metavar="N", default=5),
    Flag("mode", "How texts are searched.", choices=tuple(Mode), default=Mode.HYBRID),
    Flag("json", "Print one JSON object per question instead of text.", SWITCH, default=False),
    Flag("thumbnails", "Show small pictures, in a terminal with 24-bit colours.", SWITCH, default=False),
    Flag("html", "Write a page with the answers and small pictures.", metavar="FILE"),
)


def search(argv: Sequence[str] | None, description: str) -> int:
    """Answer the questions on the command line; returns the exit code.

    Args:
        argv: without the program's name; None means this process's.
        description: for `--help`.
    """
    parser = Parser(description, FLAGS)
    parser.add_argument("question", nargs="*", help="One or more questions, each in quotes.")
    arguments = parser.parse_args(argv)
    arguments.kinds, arguments.mode = vars(arguments)["in"], Mode(arguments.mode)
    if not arguments.question and not arguments.image:
        parser.error("ask a question, or give --image")
    try:
        check_prefix(arguments.collection)
        _check_files(arguments)
        answers = []
        for question, answer in _answers(arguments):
            answers.append((question, [hit for hits in answer.values() for hit in hits]))
            if arguments.json:
                found = {JSON_NAMES[kind]: [asdict(hit) for hit in hits] for kind, hits in answer.items()}
                print(json.dumps({"question": question, **found}, ensure_ascii=False))
            else:
                _show(question, answer, arguments.thumbnails)
        if arguments.html:
            _write_html(arguments.html, answers)
    except JobError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return error.exit_code
    return ExitCode.OK


def _check_files(arguments: Namespace) -> None:
    """Before models are loaded: raises ConfigurationError for a file that is not there, or cannot be made."""
    if arguments.image and not Path(arguments.image).is_file():
        raise ConfigurationError(f"--image {arguments.image!r}: there is no such file")
    if arguments.html and (Path(arguments.html).is_dir() or not Path(arguments.html).absolute().parent.is_dir()):
        raise ConfigurationError(f"--html {arguments.html!r} is a folder, or its folder does not exist; name a file")


def _answers(arguments: Namespace) -> Iterator[tuple[str, Answer]]:
    client = connect(arguments.milvus_uri)
    with errors_as_sentences(arguments.milvus_uri):
        kinds = _searchable(client, arguments)
        models = QueryModels(
            client, arguments.collection, arguments.embedding_model, arguments.clip_model, arguments.clip_pretrained
        )
        for question in arguments.question:
            yield question, _answer(client, arguments, kinds, models, question, None)
        if arguments.image:
            yield arguments.image, _answer(client, arguments, kinds, models, "", Path(arguments.image))


def _answer(
    client: MilvusClient,
    arguments: Namespace,
    kinds: list[HitKind],
    models: QueryModels,
    question: str,
    image: Path | None,
) -> Answer:
    """The hits of each kind that can be looked in; the others are named, and taken off `kinds` if it is for good.

    Raises:
        ConfigurationError: a model is not to be had, of a kind that was asked for or of all.
    """
    words_only = arguments.mode is Mode.WORDS and image is None
    if passed_over := [kind for kind in kinds if (words_only and kind not in OF_TEXT) or (image and kind in OF_TEXT)]:
        reason = "an image finds images and frames alone" if image else "--mode words finds texts alone"
        print(f"not looked for in {', '.join(passed_over)}: {reason}", file=sys.stderr)
    answer: dict[HitKind, Sequence[Hit]] = {}
    for kind in [kind for kind in kinds if kind not in passed_over]:
        name, limit = arguments.collection + COLLECTION[kind], arguments.limit
        vector: np.ndarray | None = None
        try:
            if image is not None:
                vector = models.of_image(kind, image)
            elif not words_only:
                vector = models.of_question(kind, question)
        except ConfigurationError as error:
            if arguments.kinds or image or len(kinds) == 1:
                raise
            print(f"WARNING: not looked for in {kind}: {error}", file=sys.stderr)
            kinds.remove(kind)
            continue
        if kind in OF_TEXT:
            find = search_documents if kind is HitKind.PAGES else search_segments
            answer[kind] = find(client, name, question, vector, limit, arguments.mode)
        elif vector is not None:
            look = search_images if kind is HitKind.IMAGES else search_frames
            answer[kind] = look(client, name, vector, limit)
    return answer


def _searchable(client: MilvusClient, arguments: Namespace) -> list[HitKind]:
    """The kinds to look in, loaded.

    Raises:
        ConfigurationError: one that was asked for was never ingested, or none was.
    """
    found = []
    for kind in arguments.kinds or HitKind:
        name = arguments.collection + COLLECTION[kind]
        if client.has_collection(name):
            client.load_collection(name)
            found.append(kind)
        elif arguments.kinds:
            raise _missing(arguments, name)
    if not found:
        raise _missing(arguments, arguments.collection + COLLECTION[HitKind.PAGES])
    if arguments.image and all(kind in OF_TEXT for kind in found):
        raise ConfigurationError("--image finds images and frames, and --in names neither, or none were ingested")
    return found


def _missing(arguments: Namespace, name: str) -> ConfigurationError:
    return ConfigurationError(
        f"Milvus at {without_credentials(arguments.milvus_uri)} has no collection {name!r}; ingest something first, "
        "or check --collection"
    )


def _show(question: str, answer: Answer, thumbnails: bool) -> None:
    from ingest.search.thumbnails import as_blocks, thumbnail, title

    print(f"\n{question}")
    for kind, hits in answer.items():
        if len(answer) > 1:
            print(f" {HEADINGS[kind]}")
        if not hits:
            print("  nothing found")
        for rank, hit in enumerate(hits, 1):
            print(f"  {rank}. {title(hit)}   {one_line(hit.source, 1000)}")
            if isinstance(hit, (PageHit, SpokenHit)):
                print(f"     {one_line(hit.text, 160)}")
            if thumbnails and (picture := thumbnail(hit)) is not None:
                print(as_blocks(picture))


def _write_html(path: str, answers: Sequence[tuple[str, Sequence[Hit]]]) -> None:
    from ingest.search.thumbnails import as_html

    try:
        Path(path).write_text(as_html(answers), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--html {path!r} cannot be written: {error.strerror}") from None
    print(f"answers with pictures: {path}", file=sys.stderr)
