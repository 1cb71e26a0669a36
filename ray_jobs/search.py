"""Ask what was ingested: the best pages, images and moments of videos, for a question or for an image.

python ray_jobs/search.py --milvus-uri http://127.0.0.1:19530 "How are traces recorded?"
python ray_jobs/search.py --milvus-uri http://127.0.0.1:19530 --in images,frames --image cat.jpg
"""

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
from ingest.milvus.client import check_prefix, connect, errors_as_sentences, shown
from ingest.run.options import Parser, positive_count
from ingest.search.models import QueryModels
from ingest.search.query import (
    COLLECTION,
    OF_TEXT,
    Hit,
    Kind,
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

JSON_NAMES = {Kind.PAGES: "hits", Kind.IMAGES: "images", Kind.SPOKEN: "spoken", Kind.FRAMES: "frames"}
HEADINGS = {Kind.PAGES: "pages", Kind.IMAGES: "images", Kind.SPOKEN: "spoken", Kind.FRAMES: "seen in videos"}

Answer = Mapping[Kind, Sequence[Hit]]


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("question", nargs="*", help="one or more questions, each in quotes")
    add("--image", metavar="PATH", help="look for what resembles this image, too")
    add("--milvus-uri", required=True, metavar="URI", help="http://host:19530")
    add("--collection", default="", metavar="PREFIX", help="prefix of the collections' names")
    add("--in", dest="kinds", type=_kinds, default=None, metavar="KINDS",
        help=f"any of {','.join(Kind)} (default: all that were ingested)")  # fmt: skip
    add("--embedding-model", default="", metavar="NAME",
        help="of texts (default: the one that they were ingested with; --mode words needs none)")  # fmt: skip
    add("--clip-model", default="", metavar="NAME",
        help="of images and frames (default: the one that they were ingested with)")  # fmt: skip
    add("--clip-pretrained", default="laion2b_s34b_b79k", metavar="TAG",
        help="weights of an architecture that --clip-model names (default: laion2b_s34b_b79k)")  # fmt: skip
    add("--limit", type=positive_count, default=5, metavar="N", help="hits of each kind (default: 5)")
    add("--mode", type=Mode, choices=list(Mode), default=Mode.HYBRID, help="of texts (default: hybrid)")
    add("--json", action="store_true", help="one JSON object a question instead of text")
    add("--thumbnails", action="store_true", help="show small pictures, in a terminal that knows 24-bit colours")
    add("--html", metavar="FILE", help="write a page with the answers and small pictures")
    arguments = parser.parse_args(argv)
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


def _kinds(text: str) -> list[Kind]:
    try:
        return [Kind(name.strip()) for name in text.split(",")]
    except ValueError:
        raise ArgumentTypeError(f"{text!r}: name any of {','.join(Kind)}") from None


def _answers(arguments: Namespace) -> Iterator[tuple[str, Answer]]:
    client = connect(arguments.milvus_uri)
    with errors_as_sentences(arguments.milvus_uri):
        kinds = _there(client, arguments)
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
    kinds: list[Kind],
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
    answer: dict[Kind, Sequence[Hit]] = {}
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
            find = search_documents if kind is Kind.PAGES else search_segments
            answer[kind] = find(client, name, question, vector, limit, arguments.mode)
        elif vector is not None:
            look = search_images if kind is Kind.IMAGES else search_frames
            answer[kind] = look(client, name, vector, limit)
    return answer


def _there(client: MilvusClient, arguments: Namespace) -> list[Kind]:
    """The kinds to look in, loaded.

    Raises:
        ConfigurationError: one that was asked for was never ingested, or none was.
    """
    found = []
    for kind in arguments.kinds or Kind:
        name = arguments.collection + COLLECTION[kind]
        if client.has_collection(name):
            client.load_collection(name)
            found.append(kind)
        elif arguments.kinds:
            raise _missing(arguments, name)
    if not found:
        raise _missing(arguments, arguments.collection + COLLECTION[Kind.PAGES])
    if arguments.image and all(kind in OF_TEXT for kind in found):
        raise ConfigurationError("--image finds images and frames, and --in names neither, or none were ingested")
    return found


def _missing(arguments: Namespace, name: str) -> ConfigurationError:
    return ConfigurationError(
        f"Milvus at {shown(arguments.milvus_uri)} has no collection {name!r}; ingest something first, "
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


if __name__ == "__main__":
    sys.exit(main())
