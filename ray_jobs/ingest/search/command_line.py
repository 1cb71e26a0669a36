"""The command line of the search: it takes questions and images, and prints hits as text, JSON or an HTML page."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ingest.common.errors import ConfigurationError, ExitCode
from ingest.common.text import NOT_UTF8, one_line, printable
from ingest.milvus.client import check_prefix
from ingest.milvus.filters import written
from ingest.run.flags import COUNT, SWITCH, Flag, FlagParser, ValueType
from ingest.run.script import guarded, say, say_to_stderr
from ingest.run.shared_flags import MILVUS_FLAGS
from ingest.search.answers import HitsByKind, as_json
from ingest.search.context import MAX_CONTEXT
from ingest.search.hits import Hit, PageHit, SpokenHit, shown_owner
from ingest.search.local_search import LocalSearch
from ingest.search.query import WINDOW, HitKind, SearchMode
from ingest.search.remote_search import RemoteSearch

HEADINGS = {
    HitKind.PAGES: "pages",
    HitKind.IMAGES: "images",
    HitKind.SPOKEN: "spoken",
    HitKind.FRAMES: "seen in videos",
}


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


KINDS = ValueType(_kinds, {"type": "string"})
_LIMIT = ValueType(_limit, {"type": "integer", "minimum": 1, "maximum": WINDOW})

RERANKER_FLAG = Flag(
    "reranker",
    "Cross-encoder that puts the first hits for texts in order: a model of sentence-transformers by hub name, such as "
    "BAAI/bge-reranker-v2-m3, or a folder. By default, no search is reranked.",
    metavar="NAME",
    default="",
)

FLAGS = (
    Flag("image", "Also search for images and frames that resemble this image.", metavar="PATH"),
    replace(MILVUS_FLAGS[0], required=False),
    *MILVUS_FLAGS[1:],
    Flag(
        "service",
        "Ask the search service at this address instead, which has the models in memory. Its token comes from "
        "SEARCH_TOKEN.",
        metavar="URL",
        default="",
    ),
    Flag(
        "in",
        f"Kinds of hits to search for: any of {','.join(HitKind)}. By default, all kinds that were ingested.",
        KINDS,
        metavar="KINDS",
    ),
    Flag(
        "filter",
        "Find only what fulfils a condition such as tenant=acme, year>=2026, kind=ocr, language!=de, date>=2026-01-31 "
        "or pipeline=pdfs; may be repeated. Several with = and the same name are alternatives.",
        metavar="CONDITION",
        repeated=True,
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
    RERANKER_FLAG,
    Flag(
        "context",
        "Give with each text the whole page that it is from, or what is said within a minute of it, of up to "
        f"{MAX_CONTEXT:,} characters.",
        SWITCH,
        default=False,
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
    parse_conditions(parser, arguments)
    if not arguments.milvus_uri and not arguments.service:
        parser.error("the following arguments are required: --milvus-uri, or --service")
    if arguments.service and (given := _for_models_here(arguments)):
        parser.error(f"--service and {given} contradict each other: the service has collections and models of its own")
    if not arguments.question and not arguments.image:
        parser.error("ask a question, or give --image")
    if not all(question.strip() for question in arguments.question):
        parser.error("a question is empty")
    if any(NOT_UTF8.search(question) for question in arguments.question):
        parser.error("a question is not UTF-8")
    return guarded(lambda: _search(arguments), "the search was interrupted")


def parse_conditions(parser: FlagParser, arguments: Namespace) -> None:
    """Set `conditions` to what `--filter` says."""
    try:
        arguments.conditions = written(arguments.filter or ())
    except ValueError as error:
        parser.error(f"argument --filter: {error}")


def _for_models_here(arguments: Namespace) -> str:
    """The first given flag that the service decides; empty if there is none."""
    names = ("milvus_uri", "collection", "embedding_model", "clip_model", "reranker")
    return next((f"--{name.replace('_', '-')}" for name in names if vars(arguments)[name]), "")


def _search(arguments: Namespace) -> int:
    """Print or write the answers. JobErrors and a closed output are for `guarded`."""
    check_prefix(arguments.collection)
    _check_files(arguments)
    answers = []
    search = RemoteSearch(arguments) if arguments.service else LocalSearch(arguments)
    for question, answer in _answers(arguments, search):
        answers.append((question, [hit for hits in answer.values() for hit in hits]))
        if arguments.json:
            # Escaped in part, a character beyond the first 65,536 would not be JSON.
            is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
            say(json.dumps(as_json(question, answer), ensure_ascii=not is_utf8))
        else:
            _show(question, answer, search.picture_uri if arguments.thumbnails else None)
    if arguments.html:
        _write_html(arguments.html, answers, search.picture_uri)
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


def _answers(arguments: Namespace, search: LocalSearch | RemoteSearch) -> Iterator[tuple[str, HitsByKind]]:
    for question in arguments.question:
        yield question, search.answer(question, None)
    if arguments.image:
        yield arguments.image, search.answer("", Path(arguments.image))


def _show(question: str, answer: HitsByKind, picture_uri: Callable[[Hit], str] | None) -> None:
    from ingest.search.thumbnails import picture_of, terminal_blocks, title

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
            if owner := shown_owner(hit):
                say(f"     {owner}")
            if isinstance(hit, (PageHit, SpokenHit)) and hit.context:
                say("\n".join(f"     | {printable(line)}" for line in hit.context.splitlines()))
            if picture_uri is not None and (picture := picture_of(picture_uri(hit))) is not None:
                say(terminal_blocks(picture))


def _write_html(path: str, answers: Sequence[tuple[str, Sequence[Hit]]], picture_uri: Callable[[Hit], str]) -> None:
    from ingest.search.thumbnails import html_page

    try:
        Path(path).write_text(html_page(answers, picture_uri), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--html {path!r} cannot be written: {error.strerror}") from None
    say_to_stderr(f"wrote the answers with thumbnails to {path}")
