"""The command line of the search: it takes questions and images, and prints hits as text, JSON or an HTML page."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.common.errors import ConfigurationError, ExitCode
from ingest.common.text import NOT_UTF8, one_line
from ingest.milvus.client import check_prefix, connect, errors_as_sentences
from ingest.milvus.refusals import without_credentials
from ingest.milvus.schema import has_full_text
from ingest.run.flags import COUNT, SWITCH, Flag, FlagParser, ValueType
from ingest.run.options import MILVUS_FLAGS
from ingest.run.script import guarded, say, say_to_stderr
from ingest.search.query import (
    COLLECTIONS_BY_KIND,
    TEXT_KINDS,
    WINDOW,
    Hit,
    HitKind,
    PageHit,
    SearchMode,
    SpokenHit,
    search_documents,
    search_frames,
    search_images,
    search_segments,
)
from ingest.search.query_models import QueryModels

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

HitsByKind = Mapping[HitKind, Sequence[Hit]]


def _kinds(text: str) -> list[HitKind]:
    try:
        return [HitKind(name.strip()) for name in text.split(",")]
    except ValueError:
        raise ArgumentTypeError(f"{text!r}: name any of {','.join(HitKind)}") from None


def _limit(text: str) -> int:
    limit = int(COUNT.parse(text))
    if limit > WINDOW:
        raise ArgumentTypeError(f"{text} is above {WINDOW}, the most that Milvus returns")
    return limit


_LIMIT = ValueType(_limit, {"type": "integer", "minimum": 1, "maximum": WINDOW})

FLAGS = (
    Flag("image", "Also search for images and frames that resemble this image.", metavar="PATH"),
    *MILVUS_FLAGS,
    Flag(
        "in",
        f"Kinds of hits to search for: any of {','.join(HitKind)}. By default, all kinds that were ingested.",
        ValueType(_kinds, {"type": "string"}),
        metavar="KINDS",
    ),
    Flag(
        "embedding-model",
        "Model that embeds the question for texts. By default, the one that embedded them. --mode words needs none.",
        metavar="NAME",
        default="",
    ),
    Flag(
        "clip-model",
        "Model that embeds the question or image for images and frames. By default, the one that embedded them.",
        metavar="NAME",
        default="",
    ),
    Flag(
        "clip-pretrained",
        "Weights of the architecture that --clip-model names, by open_clip's tag.",
        metavar="TAG",
        default="laion2b_s34b_b79k",
    ),
    Flag("limit", f"Return at most N hits of each kind, up to {WINDOW}.", _LIMIT, metavar="N", default=5),
    Flag(
        "mode",
        "Search texts by embedding (dense), by words, or by the fusion of both (hybrid).",
        choices=tuple(SearchMode),
        default=SearchMode.HYBRID,
    ),
    Flag("json", "Print one JSON object per question instead of text.", SWITCH, default=False),
    Flag("thumbnails", "Show thumbnails, in a terminal with 24-bit colours.", SWITCH, default=False),
    Flag("html", "Write an HTML page with the answers and their thumbnails.", metavar="FILE"),
)


def search(argv: Sequence[str] | None, description: str) -> int:
    """Answer the questions on the command line.

    Args:
        argv: arguments without the program's name; None for those of this process.
        description: description of the script in `--help`.

    Returns:
        The exit code.
    """
    parser = FlagParser(description, FLAGS)
    parser.add_argument("question", nargs="*", help="One or more questions, each in quotes.")
    arguments = parser.parse_args(argv)
    arguments.kinds, arguments.mode = vars(arguments)["in"], SearchMode(arguments.mode)
    if not arguments.question and not arguments.image:
        parser.error("ask a question, or give --image")
    if not all(question.strip() for question in arguments.question):
        parser.error("a question is empty")
    if any(NOT_UTF8.search(question) for question in arguments.question):
        parser.error("a question is not UTF-8")
    return guarded(lambda: _search(arguments), "the search was interrupted")


def _search(arguments: Namespace) -> int:
    """Print or write the answers. JobErrors and a closed output are for `guarded`."""
    check_prefix(arguments.collection)
    _check_files(arguments)
    answers = []
    for question, answer in _answers(arguments):
        answers.append((question, [hit for hits in answer.values() for hit in hits]))
        if arguments.json:
            found = {JSON_NAMES[kind]: [asdict(hit) for hit in hits] for kind, hits in answer.items()}
            # Escaped in part, a character beyond the first 65,536 would not be JSON.
            is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
            say(json.dumps({"question": question, **found}, ensure_ascii=not is_utf8))
        else:
            _show(question, answer, arguments.thumbnails)
    if arguments.html:
        _write_html(arguments.html, answers)
    return ExitCode.OK


def _check_files(arguments: Namespace) -> None:
    """Check the files before models are loaded.

    Raises:
        ConfigurationError: the image does not exist, or the page cannot be created.
    """
    if arguments.image and not Path(arguments.image).is_file():
        raise ConfigurationError(f"--image {arguments.image!r}: there is no such file")
    if arguments.html and (Path(arguments.html).is_dir() or not Path(arguments.html).absolute().parent.is_dir()):
        raise ConfigurationError(f"--html {arguments.html!r} is a folder, or its folder does not exist; name a file")


def _answers(arguments: Namespace) -> Iterator[tuple[str, HitsByKind]]:
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
) -> HitsByKind:
    """The hits of each kind that can be searched. Prints the other kinds; removes from `kinds` those without a model.

    Raises:
        ConfigurationError: a model is unavailable, and its kind was requested or is the only one.
    """
    words_only = arguments.mode is SearchMode.WORDS and image is None
    if skipped := [kind for kind in kinds if (words_only and kind not in TEXT_KINDS) or (image and kind in TEXT_KINDS)]:
        reason = "an image finds only images and frames" if image else "--mode words finds only texts"
        say_to_stderr(f"skipped {', '.join(skipped)}: {reason}")
    answer: dict[HitKind, Sequence[Hit]] = {}
    for kind in [kind for kind in kinds if kind not in skipped]:
        name, limit = arguments.collection + COLLECTIONS_BY_KIND[kind], arguments.limit
        vector: np.ndarray | None = None
        try:
            if image is not None:
                vector = models.embed_image(kind, image)
            elif not words_only:
                vector = models.embed_question(kind, question)
        except ConfigurationError as error:
            if arguments.kinds or image or len(kinds) == 1:
                raise
            say_to_stderr(f"WARNING: skipped {kind}: {error}")
            kinds.remove(kind)
            continue
        if kind in TEXT_KINDS:
            mode = _mode_for(client, name, arguments.mode)
            find = search_documents if kind is HitKind.PAGES else search_segments
            answer[kind] = find(client, name, question, vector, limit, mode)
        elif vector is not None:
            look = search_images if kind is HitKind.IMAGES else search_frames
            answer[kind] = look(client, name, vector, limit)
    return answer


def _mode_for(client: MilvusClient, name: str, mode: SearchMode) -> SearchMode:
    """The mode, or the search by meaning alone where a collection has no full-text index.

    Raises:
        ConfigurationError: only words are searched.
    """
    if mode is SearchMode.DENSE or has_full_text(client, name):
        return mode
    if mode is SearchMode.WORDS:
        raise ConfigurationError(
            f"{name!r} has no full-text index, which takes Milvus 2.5 or Milvus Lite; search it with --mode dense"
        )
    say_to_stderr(f"{name!r} has no full-text index: it is searched by meaning alone")
    return SearchMode.DENSE


def _searchable(client: MilvusClient, arguments: Namespace) -> list[HitKind]:
    """The kinds to search for, with their collections loaded.

    Raises:
        ConfigurationError: a requested kind was never ingested, or no kind was.
    """
    found = []
    for kind in arguments.kinds or HitKind:
        name = arguments.collection + COLLECTIONS_BY_KIND[kind]
        if client.has_collection(name):
            client.load_collection(name)
            found.append(kind)
        elif arguments.kinds:
            raise _missing_collection(arguments, name)
    if not found:
        raise _missing_collection(arguments, arguments.collection + COLLECTIONS_BY_KIND[HitKind.PAGES])
    if arguments.image and all(kind in TEXT_KINDS for kind in found):
        raise ConfigurationError("--image finds only images and frames, but --in names neither, or none were ingested")
    return found


def _missing_collection(arguments: Namespace, name: str) -> ConfigurationError:
    return ConfigurationError(
        f"Milvus at {without_credentials(arguments.milvus_uri)} has no collection {name!r}; ingest something first, "
        "or check --collection"
    )


def _show(question: str, answer: HitsByKind, thumbnails: bool) -> None:
    from ingest.search.thumbnails import terminal_blocks, thumbnail, title

    say(f"\n{question}")
    for kind, hits in answer.items():
        if len(answer) > 1:
            say(f" {HEADINGS[kind]}")
        if not hits:
            say("  nothing found")
        for rank, hit in enumerate(hits, 1):
            say(f"  {rank}. {title(hit)}   {one_line(hit.source, 1000)}")
            if isinstance(hit, (PageHit, SpokenHit)):
                say(f"     {one_line(hit.text, 160)}")
            if thumbnails and (picture := thumbnail(hit)) is not None:
                say(terminal_blocks(picture))


def _write_html(path: str, answers: Sequence[tuple[str, Sequence[Hit]]]) -> None:
    from ingest.search.thumbnails import html_page

    try:
        Path(path).write_text(html_page(answers), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--html {path!r} cannot be written: {error.strerror}") from None
    say_to_stderr(f"wrote the answers with thumbnails to {path}")
