"""The limit of a pipeline: the CPU seconds of its work, each part done alone and at its best.

    PYTHONPATH=ray_jobs:tests python tests/benchmarks/limits.py KIND MODELS FOLDER FILES...

KIND is `pdfs`, `images` or `videos`, MODELS a JSON object of the models' folders, and FOLDER an empty one. Files are
read by a process on every core, and the models are at work on every core, in processes of one thread, since cores of
one machine slow each other down. All rows are then inserted into a Milvus Lite. It prints a JSON object: CPU seconds by
part, and `rows`.
"""

import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

CORES = os.cpu_count() or 1
CHUNK_TOKENS, PASSAGE_SECONDS = 200, 30
INSERTED_AT_ONCE = 500
TEXTS_AT_ONCE = 512
"""Texts that a process embeds together, sorted by length: several for each core, so that all are busy to the end."""

Rows = list[dict[str, Any]]


def main(kind: str, models: dict[str, str], folder: Path, files: list[Path]) -> dict[str, float]:
    """The CPU seconds of the parts, and the number of rows."""
    found, rows = {"pdfs": pdfs, "images": images, "videos": videos}[kind](models, files)
    found["insert"] = insert(folder, rows)
    return {**found, "rows": sum(map(len, rows.values()))}


def pdfs(models: dict[str, str], files: list[Path]) -> tuple[dict[str, float], dict[str, Rows]]:
    """Parse, chunk and embed documents."""
    from ingest.models.text_model import find_text_model
    from ingest.pdf.chunking import ChunkSettings, chunk_pages

    read, parsed = on_all_cores(parse, [(file,) for file in files])
    settings = ChunkSettings(CHUNK_TOKENS, 0)
    tokenizer = find_text_model(models["embedding"]).tokenizer_json
    texts = [chunk.text for pages in parsed for chunk in chunk_pages(pages, tokenizer, settings)]
    embed, vectors = embedded(models["embedding"], texts)
    fields = {"version": "1", "page": 1, "kind": "text"}
    return {"read": read, "embed": embed}, {"documents": rows_of(vectors, fields, texts)}


def images(models: dict[str, str], files: list[Path]) -> tuple[dict[str, float], dict[str, Rows]]:
    """Decode and embed images."""
    from ingest.image.opening import prepare_images
    from ingest.models.clip_model import find_clip_model, input_square

    square = input_square(find_clip_model(models["clip"], ""))
    read, shown = on_all_cores(decode, [(file, square) for file in files], prepare_images)
    embed, vectors = seen(models["clip"], shown)
    fields = {"version": "1", "width": 1, "height": 1}
    return {"read": read, "embed": embed}, {"images": rows_of(vectors[: len(files)], fields)}


def videos(models: dict[str, str], files: list[Path]) -> tuple[dict[str, float], dict[str, Rows]]:
    """Extract sound and key frames, embed the frames, transcribe the speech, and embed what is said."""
    from ingest.common.tokenizer import tokenizer_of
    from ingest.media.passages import merge_segments
    from ingest.models.clip_model import find_clip_model, input_square
    from ingest.models.text_model import find_text_model

    size = input_square(find_clip_model(models["clip"], "")).size
    read, extracted = on_all_cores(extract_file, [(file, size) for file in files])
    frames, vectors = seen(models["clip"], [pixels for _, pixels in extracted if len(pixels)])
    transcribe, heard = on_all_cores(
        hear, [(sound,) for sound, _ in extracted if len(sound)], prepare_hearing, (models["whisper"],)
    )
    count = tokenizer_of(find_text_model(models["embedding"]).tokenizer_json)

    def tokens(text: str) -> int:
        return len(count.encode(text, add_special_tokens=False))

    texts = [passage.text for said in heard for passage in merge_segments(said, tokens, CHUNK_TOKENS, PASSAGE_SECONDS)]
    embed, meanings = embedded(models["embedding"], texts)
    return {"read": read, "frames": frames, "transcribe": transcribe, "embed": embed}, {
        "video_segments": rows_of(meanings, {"version": "1", "start": 0.0, "end": 1.0}, texts),
        "video_frames": rows_of(vectors, {"version": "1", "time": 0.0}),
    }


def on_all_cores(
    work: Callable[..., tuple[float, Any]],
    arguments: Sequence[tuple[Any, ...]],
    prepare: Callable[..., None] | None = None,
    prepared: tuple[Any, ...] = (),
) -> tuple[float, list[Any]]:
    """Call a function that returns its CPU seconds and a result; returns the sum of the seconds, and the results."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(CORES, context, prepare, prepared) as pool:
        done = list(pool.map(work, *zip(*arguments, strict=True)))
    return sum(seconds for seconds, _ in done), [result for _, result in done]


def embedded(model: str, texts: list[str]) -> tuple[float, np.ndarray]:
    """CPU seconds of embedding texts, sorted by length, and their vectors."""
    texts.sort(key=len, reverse=True)
    parts = [(texts[start : start + TEXTS_AT_ONCE],) for start in range(0, len(texts), TEXTS_AT_ONCE)]
    seconds, vectors = on_all_cores(embed_texts, parts, prepare_texts, (model,))
    return seconds, np.concatenate(vectors)


def seen(model: str, pictures: list[np.ndarray]) -> tuple[float, np.ndarray]:
    """CPU seconds of embedding pictures, uint8 of shape (count, size, size, 3) each, and the vectors of all squares."""
    if not pictures:
        return 0.0, np.empty((0, 1), np.float32)
    seconds, vectors = on_all_cores(see, [(pixels,) for pixels in pictures], prepare_seeing, (model,))
    return seconds, np.concatenate(vectors)


def parse(file: Path) -> tuple[float, list[Any]]:
    from ingest.pdf.document import parse_pdf

    content, started = file.read_bytes(), time.process_time()
    pages = parse_pdf(content)[0]
    return time.process_time() - started, pages


def decode(file: Path, square: Any) -> tuple[float, np.ndarray]:
    """The squares of an image."""
    from ingest.common.limits import Limits
    from ingest.image.decoder import read_image

    content, started = file.read_bytes(), time.process_time()
    picture = read_image(content, square, Limits().pixels)
    seconds = time.process_time() - started
    return seconds, np.frombuffer(picture.pixels, np.uint8).reshape(-1, square.size, square.size, 3)


def extract_file(file: Path, size: int) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """The samples of a recording, int16, and its key frames, uint8 of shape (count, size, size, 3)."""
    from ingest.media.extraction import AUDIO_FILE, FRAMES_FILE, MediaSettings, extract

    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        extract(str(file), folder, MediaSettings(image_size=size))
        seconds = time.process_time() - started
        found = [
            np.fromfile(path, kind) if path.exists() else np.empty(0, kind)
            for path, kind in ((Path(folder, AUDIO_FILE), np.int16), (Path(folder, FRAMES_FILE), np.uint8))
        ]
    return seconds, (found[0], found[1].reshape(-1, size, size, 3))


def prepare_texts(model: str) -> None:
    global _model
    from ingest.models.text_encoder import TextEncoder
    from ingest.models.text_model import find_text_model

    _model = TextEncoder(model, find_text_model(model).dimension)
    _model.encode(["warm up"] * 32)


def embed_texts(texts: list[str]) -> tuple[float, np.ndarray]:
    started = time.process_time()
    vectors = _model.encode(texts)
    return time.process_time() - started, vectors


def prepare_seeing(model: str) -> None:
    global _model
    from ingest.models.clip_encoder import ClipEncoder
    from ingest.models.clip_model import find_clip_model, input_square

    found = find_clip_model(model, "")
    _model = ClipEncoder(found.name, found.pretrained, found.dimension)
    _model.encode_images(np.zeros((4, *[input_square(found).size] * 2, 3), np.uint8))


def see(pixels: np.ndarray) -> tuple[float, np.ndarray]:
    started = time.process_time()
    vectors = _model.encode_images(pixels)
    return time.process_time() - started, vectors


def prepare_hearing(model: str) -> None:
    global _model
    from ingest.models.transcriber import Transcriber

    _model = Transcriber(model, 1)


def hear(sound: np.ndarray) -> tuple[float, list[Any]]:
    started = time.process_time()
    segments = _model.transcribe(sound).segments
    return time.process_time() - started, segments


def rows_of(vectors: np.ndarray, fields: dict[str, Any], texts: Sequence[str] = ()) -> Rows:
    """Rows with these vectors, and with these texts if there are any."""
    rows = [
        {"id": f"{index:032d}", "source": f"s3://limits/{index}", "ordinal": index, "embedding": vector,
         "metadata": {}, **fields}
        for index, vector in enumerate(vectors)
    ]  # fmt: skip
    for row, text in zip(rows, texts, strict=False):
        row["text"] = text
    return rows


def insert(folder: Path, rows: dict[str, Rows]) -> float:
    """CPU seconds of inserting the rows of some collections, those of the server included."""
    import psutil

    from embedded.milvus_lite import MilvusLite
    from ingest.milvus.client import connect
    from ingest.milvus.schema import ensure_rows

    rows = {collection: some for collection, some in rows.items() if some}
    with MilvusLite(folder) as server:
        client = connect(server.uri)
        for collection, some in rows.items():
            ensure_rows(client, collection, collection, len(some[0]["embedding"]))
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        before = sum(sum(process.cpu_times()[:2]) for process in processes)
        for collection, some in rows.items():
            for start in range(0, len(some), INSERTED_AT_ONCE):
                client.upsert(collection, some[start : start + INSERTED_AT_ONCE])
        return sum(sum(process.cpu_times()[:2]) for process in processes) - before


if __name__ == "__main__":
    print(
        json.dumps(main(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]), [Path(file) for file in sys.argv[4:]]))
    )
