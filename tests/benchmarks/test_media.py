"""What extraction and speech cost and find, against decoding everything and against faster-whisper by hand.

uv run pytest -m benchmark -s tests/benchmarks/test_media.py
"""

import json
import re
import time
from threading import Event

import numpy as np
import pytest

from embedded.scenes import Scene, grainy, pan, photo, write_long
from ingest.media.container import decodable_streams
from ingest.media.extraction import AUDIO_FILE, MediaSettings, extract
from ingest.media.film_stretches import Sharing
from ingest.media.opening import open_media
from ingest.media.sampling import Sampling
from ingest.media.shared_film import begin_film, finish_film, read_film
from ingest.media.video import extract_frames
from ingest.models.transcriber import Transcriber

pytestmark = pytest.mark.benchmark

SAMPLING = Sampling(224, MediaSettings().scene_threshold, 0.5, 60.0, 1000, 3600.0)


def decode_all(path):
    """CPU seconds for decoding every frame of the first video stream, without looking at any, and their number."""
    start = time.process_time()
    with open_media(str(path)) as container:
        stream = decodable_streams(container, "video")[0]
        stream.codec_context.thread_count = 1
        frames = sum(1 for _ in container.decode(stream))
    return time.process_time() - start, frames


def test_decoding_against_full_decoding(corpus, tmp_path):
    total = np.zeros(4)
    for file in sorted([*corpus.glob("video/gen/*"), *corpus.glob("video/real/*"), *corpus.glob("video/codec/*")]):
        full, frames = decode_all(file)
        start = time.process_time()
        pictures = extract_frames(str(file), str(tmp_path / "frames"), SAMPLING, Event())
        ours = time.process_time() - start
        total += (full, ours, frames, pictures.decoded)
        print(
            f"{file.name}: full decode {full:.2f} s, ours {ours:.2f} s, decoded {pictures.decoded} of {frames}, "
            f"key frames {len(pictures.times)}"
        )
    print(f"all: full decode {total[0]:.2f} s, ours {total[1]:.2f} s, decoded {total[3]:.0f} of {total[2]:.0f}")
    assert total[3] < total[2] / 3  # 1,228 of 4,724 when it was written


@pytest.fixture(scope="module")
def long_film(tmp_path_factory):
    """Two minutes of a moving camera in Full HD, with grain: the same 24 s again and again."""
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    scenes = [Scene(4, grainy(pan(photo(seed)), seed)) for seed in range(6)]
    write_long(path, scenes, 5)
    return path


def test_a_long_film_in_stretches(long_film, tmp_path):
    """What of finding key frames is divided among processes: the rest is the limit of their number."""
    settings, cpu = MediaSettings(), {}

    def timed(name, function, *arguments):
        start = time.process_time()
        found = function(*arguments)
        cpu.setdefault(name, []).append(time.process_time() - start)
        return found

    folders = [tmp_path / "whole", tmp_path / "divided"]
    for folder in folders:
        folder.mkdir()
    media = timed("whole", extract, str(long_film), str(folders[0]), settings)
    begun = timed("begin", begin_film, str(long_film), str(folders[1]), settings, Sharing())
    for number in range(len(begun.frames.files)):
        timed("read", read_film, begun, str(folders[1]), number, settings)
    assert timed("finish", finish_film, begun, str(folders[1]), settings) == media
    alone, read = cpu["begin"][0] + cpu["finish"][0], sum(cpu["read"])
    print(
        f"a minute of film takes {60 * cpu['whole'][0] / media.duration:.1f} CPU seconds, and all of it "
        f"{cpu['whole'][0]:.1f}; in stretches {alone + read:.1f}: {cpu['begin'][0]:.1f} to begin it, {read:.1f} for "
        f"{len(cpu['read'])} stretches of at most {max(cpu['read']):.1f}, {cpu['finish'][0]:.1f} to finish it"
    )
    assert alone < 0.2 * cpu["whole"][0]


def words(text):
    return re.sub(r"[^a-z0-9' ]+", " ", text.lower().replace("-", " ")).split()


def edits(said, truth):
    """Levenshtein's distance between two lists of words."""
    row = list(range(len(truth) + 1))
    for index, word in enumerate(said, start=1):
        diagonal, row[0] = row[0], index
        for column, other in enumerate(truth, start=1):
            diagonal, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, diagonal + (word != other))
    return row[-1]


@pytest.mark.parametrize("model", ["whisper_path", "whisper_base_path"])
def test_words_against_faster_whisper_by_hand(model, request, corpus, tmp_path):
    from faster_whisper import WhisperModel

    path = request.getfixturevalue(model)
    rows = [json.loads(line) for line in (corpus / "truth_av.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["file"].startswith(("audio/lj/", "video/gen/"))]
    by_hand, ours = WhisperModel(path, device="cpu", compute_type="int8", cpu_threads=2), Transcriber(path, 2)
    wrong, seconds, starts, total = np.zeros(2), np.zeros(2), [], 0
    for row in rows:
        truth = words(row["text"])
        total += len(truth)
        start = time.process_time()
        text = " ".join(segment.text for segment in by_hand.transcribe(str(corpus / row["file"]))[0])
        seconds[0] += time.process_time() - start
        wrong[0] += edits(words(text), truth)
        extract(str(corpus / row["file"]), str(tmp_path), MediaSettings())
        samples = np.fromfile(tmp_path / AUDIO_FILE, "<i2")
        start = time.process_time()
        found = ours.transcribe(samples).segments
        seconds[1] += time.process_time() - start
        wrong[1] += edits(words(" ".join(segment.text for segment in found)), truth)
        if "speech" in row:
            starts.append(abs(found[0].start - row["speech"][0]["t0"]))
    rates = 100 * wrong / total
    print(
        f"{model}: word error rate by hand {rates[0]:.2f} %, ours {rates[1]:.2f} %; CPU {seconds[0]:.0f} and "
        f"{seconds[1]:.0f} s; first phrase starts at most {max(starts):.2f} s off"
    )
    assert rates[1] <= rates[0] + 1
    assert max(starts) <= 1
