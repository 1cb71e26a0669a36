"""Scene detection against PySceneDetect: scenes with a key frame, key frames, and CPU time including decoding.

    uv run --with "scenedetect[opencv-headless]" pytest -n 0 -m benchmark -s tests/benchmarks/test_scene_detection.py

Without PySceneDetect the comparison is skipped.
"""

import itertools
import json
import time
from threading import Event

import pytest
from PIL import Image

from embedded.scenes import (
    HEIGHT,
    WIDTH,
    Scene,
    Video,
    flashing,
    grainy,
    pan,
    photo,
    slide,
    still,
    talking,
    write,
    zoom,
)
from ingest.media.sampling import Sampling
from ingest.media.video import extract_frames

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]

SAMPLING = Sampling(224, 0.02, 0.5, 60.0, 1000, 3600.0)
ENCODERS = {
    "x264": Video("libx264"),
    "x264 without scene cuts": Video(options={"x264-params": "scenecut=0:keyint=250", "preset": "ultrafast"}),
}
PAINTERS = {
    "still": lambda seed: still(photo(seed)),
    "zoom": lambda seed: zoom(photo(seed)),
    "pan": lambda seed: pan(photo(seed)),
    "grain": lambda seed: grainy(still(photo(seed)), seed),
    "flash": lambda seed: flashing(still(photo(seed))),
    "talking": lambda seed: talking(still(photo(seed)), seed),
    "slides": slide,
}
LENGTHS = {"short cuts": (1.4, 1.0, 2.6, 1.0, 1.2, 2.0), "long cuts": (3, 5, 4, 6, 3), "dissolves": (3, 3, 3, 3, 3)}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Paths of videos with the first and last second of each scene, by kind."""
    folder = tmp_path_factory.mktemp("videos")
    found = {"cuts and fades": [], "dissolves and slides": []}
    for paint, encoder, transition in itertools.product(PAINTERS, ENCODERS, LENGTHS):
        path = folder / f"{paint}, {encoder}, {transition}.mkv"
        dissolve = 0.8 if transition == "dissolves" else 0
        scenes = [
            Scene(seconds, PAINTERS[paint](seed), dissolve if seed else 0)
            for seed, seconds in enumerate(LENGTHS[transition])
        ]
        kind = "dissolves and slides" if dissolve or paint == "slides" else "cuts and fades"
        found[kind].append((path, write(path, scenes, ENCODERS[encoder])))
    black = still(Image.new("RGB", (WIDTH, HEIGHT)))
    for first in (0, 50):
        path = folder / f"fades from {first}.mkv"
        scenes = []
        for seed in range(first, first + 5):
            scenes += [Scene(3, still(photo(seed)), 0.6 if scenes else 0), Scene(1, black, 0.6)]
        found["cuts and fades"].append((path, write(path, scenes, ENCODERS["x264"])[::2]))
    return found


@pytest.fixture(scope="module")
def corpus_videos(corpus):
    rows = [json.loads(line) for line in (corpus / "truth_av.jsonl").read_text().splitlines()]
    return [(corpus / row["file"], [(s["t0"], s["t1"]) for s in row["scenes"]]) for row in rows if "scenes" in row]


def middle_frames(path, detector):
    """Seconds of the middle frame of each scene, decoded as PySceneDetect's own tools do."""
    import scenedetect

    video = scenedetect.open_video(str(path))
    manager = scenedetect.SceneManager()
    manager.add_detector(getattr(scenedetect, detector)())
    manager.detect_scenes(video)
    times = []
    for start, end in manager.get_scene_list(start_in_scene=True):
        middle = start + (end.frame_num - start.frame_num) // 2
        video.seek(middle)
        video.read()
        times.append(middle.seconds)
    return times


def measure(name, videos, key_frames):
    """How many scenes have a key frame."""
    started = time.process_time()
    times = [key_frames(path) for path, _ in videos]
    seconds = time.process_time() - started
    scenes = [(found, span) for found, (_, spans) in zip(times, videos, strict=True) for span in spans]
    hits = sum(any(start - 0.05 <= at < end for at in found) for found, (start, end) in scenes)
    print(f"{name}: {hits} of {len(scenes)} scenes, {sum(map(len, times))} key frames, {seconds:.1f} s of CPU")
    return hits


@pytest.mark.parametrize("detector", ["ContentDetector", "AdaptiveDetector"])
def test_at_least_as_many_scenes_have_a_key_frame(detector, videos, corpus_videos, tmp_path):
    pytest.importorskip("scenedetect")
    import cv2

    cv2.setNumThreads(1)
    target = str(tmp_path / "frames")
    print()
    for kind, chosen in {"corpus": corpus_videos, **videos}.items():
        ours = measure(f"{kind}, ours", chosen, lambda path: extract_frames(str(path), target, SAMPLING, Event()).times)
        theirs = measure(f"{kind}, {detector}", chosen, lambda path: middle_frames(path, detector))
        assert ours >= theirs
