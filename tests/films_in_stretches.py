"""A film of many scenes, and what becomes of a child that reads a stretch of it; child processes import it, too."""

import os
import signal
from pathlib import Path

from embedded.scenes import Scene, Video, flashing, grainy, pan, photo, slide, still, talking, zoom
from ingest.media.extraction import extract
from ingest.media.film_stretches import Sharing
from ingest.media.shared_film import read_film

AT_ONCE = Sharing(0.0, 0.0, 0.0)
LONG_GOPS = Video("libx264", 25, {"x264-params": "scenecut=0:keyint=50", "preset": "ultrafast", "bf": "2"})


def scenes(count: int, seconds: float = 1.4) -> list[Scene]:
    """Scenes of all kinds."""
    kinds = [
        lambda seed: still(photo(seed)), lambda seed: zoom(photo(seed)), lambda seed: pan(photo(seed)),
        lambda seed: grainy(still(photo(seed)), seed), lambda seed: flashing(still(photo(seed))),
        lambda seed: talking(still(photo(seed)), seed), slide,
    ]  # fmt: skip
    return [Scene(seconds, kinds[seed % len(kinds)](seed), 0.4 * (seed % 3 == 2)) for seed in range(count)]


def read_after_a_kill(marker, *arguments):
    """Kill the process, unless the file is there, which it makes; then read a stretch."""
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    read_film(*arguments)


def crash(*_):
    """End the process as a broken decoder does."""
    os.kill(os.getpid(), signal.SIGSEGV)


def whole(path, folder, settings, _):
    """Takes the place of `begin_film`: the film is not divided."""
    return extract(path, folder, settings)
