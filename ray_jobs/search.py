"""Ask what was ingested: the best pages, images and moments of videos, for a question or for an image.

python ray_jobs/search.py --milvus-uri http://127.0.0.1:19530 "How are traces recorded?"
python ray_jobs/search.py --milvus-uri http://127.0.0.1:19530 --in images,frames --image cat.jpg
"""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.clip_model import ClipModel, add_clip_flags, check_weights, describe_clip, square_of
from ingest.errors import ConfigurationError, ExitCode, JobError, ObjectError, one_line
from ingest.generations import behind, made_with
from ingest.identity import model_key
from ingest.milvus import check_prefix, connect, errors_as_sentences, shown
from ingest.options import Parser, positive_count
from ingest.schema import dimension_of
from ingest.search import (
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
from ingest.text_model import TextModel, describe

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
    add("--embedding-model", default="BAAI/bge-m3", metavar="NAME",
        help="the one that texts were ingested with; --mode words needs none")  # fmt: skip
    add_clip_flags(parser)
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


@dataclass(frozen=True, slots=True)
class _Query:
    """What is looked for; vectors are None where they are of no use.

    Attributes:
        question: as it is shown.
        words: for the full-text search.
        text: by the text model.
        clip: by the CLIP model.
    """

    question: str
    words: str
    text: np.ndarray | None
    clip: np.ndarray | None


def _answers(arguments: Namespace) -> Iterator[tuple[str, Answer]]:
    client = connect(arguments.milvus_uri)
    with errors_as_sentences(arguments.milvus_uri):
        kinds = _there(client, arguments)
        for query in _queries(client, arguments, kinds):
            found = {kind: _hits(client, arguments, kind, query) for kind in kinds}
            passed_over = [kind for kind, hits in found.items() if hits is None]
            if passed_over:
                reason = (
                    "an image finds images and frames alone" if query.clip is not None else "--mode words finds texts"
                )
                print(f"not looked for in {', '.join(passed_over)}: {reason}", file=sys.stderr)
            yield query.question, {kind: hits for kind, hits in found.items() if hits is not None}


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
    return found


def _missing(arguments: Namespace, name: str) -> ConfigurationError:
    return ConfigurationError(
        f"Milvus at {shown(arguments.milvus_uri)} has no collection {name!r}; ingest something first, "
        "or check --collection"
    )


def _queries(client: MilvusClient, arguments: Namespace, kinds: Sequence[Kind]) -> Iterator[_Query]:
    """Load the models that are needed, and embed each question and the image."""
    threads = os.cpu_count() or 1
    of_text = [kind for kind in kinds if kind in OF_TEXT]
    of_clip = [kind for kind in kinds if kind not in OF_TEXT]
    encoder = clip = None
    if arguments.question and of_text and arguments.mode is not Mode.WORDS:
        _say_loading(arguments.embedding_model)
        model = describe(arguments.embedding_model)
        _check_model(client, arguments, of_text, model, "--embedding-model")
        from ingest.embedding import TextEncoder  # seconds, so not before all else is known to be right

        with _loading(model.name):
            encoder = TextEncoder(model.name, model.dimension, threads=threads)
    if of_clip and (arguments.image or arguments.mode is not Mode.WORDS):
        _say_loading(arguments.clip_model)
        clip_model = describe_clip(arguments.clip_model, arguments.clip_pretrained)
        _check_model(client, arguments, of_clip, clip_model, "--clip-model")
        square = square_of(clip_model)
        check_weights(clip_model)
        from ingest.clip import ClipEncoder

        with _loading(clip_model.label):
            clip = ClipEncoder(clip_model.name, clip_model.pretrained, clip_model.dimension, threads=threads)
    for question in arguments.question:
        yield _Query(
            question,
            question,
            encoder.encode_query(question) if encoder else None,
            clip.encode_text(question) if clip else None,
        )
    if arguments.image and not clip:
        raise ConfigurationError("--image finds images and frames, and --in names neither, or none were ingested")
    if arguments.image and clip:
        from ingest.images import pixels_of_file

        try:
            pixels = pixels_of_file(Path(arguments.image), square)
        except ObjectError as error:
            raise ConfigurationError(f"--image {arguments.image!r}: {error.message}") from None
        yield _Query(arguments.image, "", None, clip.encode_images(pixels)[0])


@contextmanager
def _loading(model: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of the model's library, which may raise anything
        raise ConfigurationError(f"the model {model} cannot be loaded ({one_line(error, 200)})") from None


def _say_loading(model: str) -> None:
    # It takes from seconds to, at the first time, a download of minutes. On stderr, which is no part of the answers.
    print(f"loading the model {model} ...", file=sys.stderr, flush=True)


def _check_model(
    client: MilvusClient, arguments: Namespace, kinds: Sequence[Kind], model: TextModel | ClipModel, flag: str
) -> None:
    """Say so when the question would be embedded by another model than what is searched.

    Raises:
        ConfigurationError: its vectors have another length.
    """
    for kind in kinds:
        name = arguments.collection + COLLECTION[kind]
        ingested = made_with(client, name)
        rows = f"{name}_{model_key(model.identity)}"
        if ingested == model.label or behind(client, name) == rows:
            continue
        sentence = f"{name!r} was made with {ingested} and not with {model.label}"
        if dimension_of(client, name, "embedding") != model.dimension:
            raise ConfigurationError(f"{sentence}; give {flag} the one it was made with")
        # The same model by another name or path looks like this too.
        print(f"WARNING: {sentence}; if these are not the same model, the answers are random", file=sys.stderr)


def _hits(client: MilvusClient, arguments: Namespace, kind: Kind, query: _Query) -> Sequence[Hit] | None:
    """None where the query is nothing for this kind."""
    name, limit, mode = arguments.collection + COLLECTION[kind], arguments.limit, arguments.mode
    if kind in OF_TEXT:
        if not query.words:
            return None
        find = search_documents if kind is Kind.PAGES else search_segments
        return find(client, name, query.words, query.text, limit, mode)
    if query.clip is None:
        return None
    look = search_images if kind is Kind.IMAGES else search_frames
    return look(client, name, query.clip, limit)


def _show(question: str, answer: Answer, thumbnails: bool) -> None:
    from ingest.thumbnails import as_blocks, thumbnail, title

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
    from ingest.thumbnails import as_html

    try:
        Path(path).write_text(as_html(answers), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--html {path!r} cannot be written: {error.strerror}") from None
    print(f"answers with pictures: {path}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
