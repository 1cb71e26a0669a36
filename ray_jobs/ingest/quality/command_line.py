"""The command line of the measurement."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingest.common.errors import ConfigurationError, ExitCode
from ingest.common.text import one_line
from ingest.migration.generations import model_of
from ingest.milvus.client import check_prefix, connect, errors_as_sentences
from ingest.milvus.refusals import without_credentials
from ingest.models.cross_encoder import CrossEncoder, find_cross_encoder
from ingest.quality.measuring import Answer, Measuring
from ingest.quality.questions import Question, named, read_questions
from ingest.quality.results import Result, as_json, measured, read_result
from ingest.quality.tables import comparison, table
from ingest.run.flags import POSITIVE, SWITCH, Flag, FlagParser
from ingest.run.script import guarded, say, say_to_stderr
from ingest.run.shared_flags import MILVUS_FLAGS
from ingest.search.command_line import FLAGS as SEARCH_FLAGS
from ingest.search.command_line import parse_conditions
from ingest.search.query import COLLECTIONS_BY_KIND, TEXT_KINDS, HitKind
from ingest.search.query_models import QueryModels

if TYPE_CHECKING:
    from pymilvus import MilvusClient

PROGRESS_SECONDS = 10.0
"""Seconds between two lines about the progress."""

MISSING_SHOWN = 10
"""Places whose source is not in the collections that are named, each in a line."""

_SHARED_FLAGS = ("filter", "embedding-model", "clip-model", "clip-pretrained", "reranker")

FLAGS = (
    Flag(
        "questions",
        "The test set: CSV with a header, or JSON lines, with question, source, page or second, and optionally "
        "language and kind.",
        metavar="FILE",
        required=True,
    ),
    *MILVUS_FLAGS,
    *(flag for flag in SEARCH_FLAGS if flag.name in _SHARED_FLAGS),
    Flag(
        "tolerance",
        "Seconds by which a hit in a recording may miss the second that answers a question.",
        POSITIVE,
        metavar="S",
        default=10.0,
    ),
    Flag("before", "Compare with an earlier result: the output of --json.", metavar="FILE", default=""),
    Flag("json", "Print one JSON object with the scores of each question instead of a table.", SWITCH, default=False),
)


def measure(argv: Sequence[str] | None, description: str) -> int:
    """Measure the search by the questions that the command line names.

    Args:
        argv: arguments without the program's name; None for those of this process.
        description: description of the script in `--help`.

    Returns:
        The exit code.
    """
    parser = FlagParser(description, FLAGS)
    arguments = parser.parse_args(argv)
    parse_conditions(parser, arguments)
    return guarded(lambda: _measure(arguments), "the measurement was interrupted")


def _measure(arguments: Namespace) -> int:
    """Print the result. JobErrors and a closed output are for `guarded`."""
    check_prefix(arguments.collection)
    questions = read_questions(arguments.questions)
    before = read_result(arguments.before) if arguments.before else None
    reranker = find_cross_encoder(arguments.reranker, "--reranker") if arguments.reranker else ""
    client = connect(arguments.milvus_uri)
    with errors_as_sentences(arguments.milvus_uri):
        result = _result(client, arguments, questions, reranker)
    if arguments.json:
        say(json.dumps(as_json(result, before)))
        return ExitCode.OK
    say(table(result))
    if before is not None:
        say("\n" + comparison(before, result))
    return ExitCode.OK


def _result(client: MilvusClient, arguments: Namespace, questions: Sequence[Question], reranker: str) -> Result:
    kinds = _load_collections(client, arguments, questions)
    measuring = Measuring(
        client,
        arguments.collection,
        QueryModels(
            client, arguments.collection, arguments.embedding_model, arguments.clip_model, arguments.clip_pretrained
        ),
        CrossEncoder(reranker, say_to_stderr) if reranker and any(kind in TEXT_KINDS for kind in kinds) else None,
        arguments.tolerance,
        arguments.conditions,
    )
    for kind in kinds:
        if kind in TEXT_KINDS and not measuring.has_full_text(kind):
            say_to_stderr(f"{measuring.collection(kind)!r} has no full-text index: it is searched by meaning alone")
    answers = _answers(measuring, questions)
    _warn_of_missing(measuring, arguments.questions, questions)
    models = {measuring.collection(kind): model_of(client, measuring.collection(kind)) for kind in kinds}
    return Result(models | ({"reranker": reranker} if reranker else {}), measured(answers))


def _load_collections(client: MilvusClient, arguments: Namespace, questions: Sequence[Question]) -> list[HitKind]:
    """The kinds of the questions, with their collections loaded.

    Raises:
        ConfigurationError: a kind was never ingested.
    """
    kinds = []
    for kind in HitKind:
        first = next((question for question in questions if question.kind is kind), None)
        if first is None:
            continue
        name = arguments.collection + COLLECTIONS_BY_KIND[kind]
        if not client.has_collection(name):
            raise ConfigurationError(
                f"{named(arguments.questions, first.line)}: its kind is {kind}, but Milvus at "
                f"{without_credentials(arguments.milvus_uri)} has no collection {name!r}; ingest something first, "
                "check --collection, or remove the question"
            )
        client.load_collection(name)
        kinds.append(kind)
    return kinds


def _answers(measuring: Measuring, questions: Sequence[Question]) -> list[Answer]:
    answers = []
    said = time.monotonic()
    for question in questions:
        answers.append(measuring.answer(question))
        if time.monotonic() - said >= PROGRESS_SECONDS:
            said = time.monotonic()
            say_to_stderr(f"asked {len(answers)} of {len(questions)} questions")
    return answers


def _warn_of_missing(measuring: Measuring, path: str, questions: Sequence[Question]) -> None:
    missing = measuring.missing(questions)
    for place in missing[:MISSING_SHOWN]:
        say_to_stderr(
            f"WARNING: {named(path, place.line)}: no row has the source {one_line(place.source, 200)!r}, so that it "
            "cannot be found; ingest it, or correct the line"
        )
    if len(missing) > MISSING_SHOWN:
        say_to_stderr(f"WARNING: so it is with {len(missing) - MISSING_SHOWN} more places")
