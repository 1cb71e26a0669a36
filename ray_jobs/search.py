"""Ask a question of what was ingested: the best pages, with their file, page and passage.

python ray_jobs/search.py --milvus-uri http://127.0.0.1:19530 "How are traces recorded?"
"""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from ingest.errors import ConfigurationError, ExitCode, JobError, one_line
from ingest.generations import Names, behind, made_with
from ingest.milvus import check_prefix, connect, errors_as_sentences, shown
from ingest.options import Parser
from ingest.schema import DOCUMENTS, dimension_of
from ingest.search import Mode, PageHit, search_documents
from ingest.text_model import TextModel, describe

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from ingest.embedding import TextEncoder


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__.split("\n")[0])
    parser.add_argument("question", nargs="+", help="one or more questions, each in quotes")
    parser.add_argument("--milvus-uri", required=True, metavar="URI", help="http://host:19530")
    parser.add_argument("--collection", default="", metavar="PREFIX", help="prefix of the collections' names")
    parser.add_argument("--embedding-model", default="BAAI/bge-m3", metavar="NAME",
                        help="the one it was ingested with; --mode words needs none")  # fmt: skip
    parser.add_argument("--limit", type=int, default=5, metavar="N", help="pages per question (default: 5)")
    parser.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.HYBRID, help="default: hybrid")
    parser.add_argument("--json", action="store_true", help="one JSON object a question instead of text")
    arguments = parser.parse_args(argv)
    try:
        check_prefix(arguments.collection)
        for question, hits in _answers(arguments):
            if arguments.json:
                print(json.dumps({"question": question, "hits": [asdict(hit) for hit in hits]}, ensure_ascii=False))
            else:
                _show(question, hits)
    except JobError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return error.exit_code
    return ExitCode.OK


def _answers(arguments: Namespace) -> Iterator[tuple[str, list[PageHit]]]:
    client = connect(arguments.milvus_uri)
    collection = arguments.collection + DOCUMENTS
    with errors_as_sentences(arguments.milvus_uri):
        if not client.has_collection(collection):
            raise ConfigurationError(
                f"Milvus at {shown(arguments.milvus_uri)} has no collection {collection!r}; ingest something first, "
                "or check --collection"
            )
        client.load_collection(collection)
        encoder = None if arguments.mode is Mode.WORDS else _encoder(client, arguments)
        for question in arguments.question:
            vector = encoder.encode_query(question) if encoder else None
            yield question, search_documents(client, collection, question, vector, arguments.limit, arguments.mode)


def _encoder(client: MilvusClient, arguments: Namespace) -> TextEncoder:
    # It takes from seconds to, at the first time, a download of minutes. On stderr, which is no part of the answers.
    print(f"loading the model {arguments.embedding_model} ...", file=sys.stderr, flush=True)
    model = describe(arguments.embedding_model)
    _check_model(client, arguments.collection, model)
    from ingest.embedding import TextEncoder  # seconds, so not before all else is known to be right

    return TextEncoder(model.name, model.dimension, threads=os.cpu_count() or 1)


def _check_model(client: MilvusClient, prefix: str, model: TextModel) -> None:
    """Say so when the question would be embedded by another model than the passages.

    Raises:
        ConfigurationError: its vectors have another length.
    """
    names = Names.of(prefix, "pdfs", (DOCUMENTS,), model.identity)
    (public,) = names.public
    if behind(client, public) in (*names.rows, public):
        return
    sentence = f"{public!r} was made with {made_with(client, public)} and not with {model.name}"
    if dimension_of(client, public, "embedding") != model.dimension:
        raise ConfigurationError(f"{sentence}; give --embedding-model the one it was made with")
    # The same model by another name or path looks like this too.
    print(f"WARNING: {sentence}; if these are not the same model, the answers are random", file=sys.stderr)


def _show(question: str, hits: list[PageHit]) -> None:
    print(f"\n{question}")
    if not hits:
        print("  nothing found")
    for rank, hit in enumerate(hits, 1):
        name = hit.source.rsplit("/", 1)[-1]
        print(f"  {rank}. page {hit.page} of {name}   {hit.source}")
        print(f"     {one_line(hit.text, 160)}")


if __name__ == "__main__":
    sys.exit(main())
