"""The stretches of a film are shared among processes of its node, whatever becomes of each of them."""

import threading
from contextlib import contextmanager

import pytest

from embedded.scenes import write
from films_in_stretches import AT_ONCE, LONG_GOPS, crash, read_after_a_kill, scenes, whole
from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.limits import Limits
from ingest.common.sandbox import Sandbox
from ingest.media import film_stretches
from ingest.media.extraction import FRAMES_FILE, MediaSettings, extract
from ingest.media.shared_film import begin_film, finish_film, prepare_media
from ingest.stages import shared_films, videos
from ingest.stages.divided_recordings import Division
from ingest.stages.shared_ranges import NodeReaders
from video_stages import Local, extracted

pytestmark = pytest.mark.tier("parts")  # each reader is a process
SETTINGS = MediaSettings(image_size=32)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    write(path, scenes(14), LONG_GOPS)
    return path


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch):
    """Films are divided at once; where they are divided in a child, a stretch has five seconds."""
    monkeypatch.setattr(film_stretches, "_LEAST", 1.0)
    monkeypatch.setattr(videos, "SHARING", AT_ONCE)
    monkeypatch.setattr("ingest.stages.shared_ranges.SHARED_SECONDS", 1e-6)
    monkeypatch.setattr("ingest.stages.shared_ranges.LEAST_SECONDS", 1e-6)
    yield
    videos._sandbox.cache_clear()


def rows(path):
    return [table.to_pylist() for table in extracted(path, Division(8), Local(), limits=Limits(seconds=60))]


@pytest.mark.parametrize("slots", [pytest.param(0, marks=pytest.mark.nightly), 2])
def test_the_extract_stage_gives_the_same_rows_with_and_without_stretches(film, monkeypatch, slots):
    with monkeypatch.context() as patch:
        patch.setattr(videos, "begin_film", whole)
        expected = rows(film)
    videos._sandbox.cache_clear()
    used, everyone = [], threading.Barrier(max(1, slots))

    def read(self, sandbox, number):
        if sandbox not in used:
            used.append(sandbox)
            everyone.wait(60)  # otherwise the first one would read all stretches meanwhile
        return original(self, sandbox, number)

    original = NodeReaders.read
    monkeypatch.setattr(NodeReaders, "read", read)
    monkeypatch.setattr(shared_films, "reader_slots", lambda: (slots, {}))
    assert rows(film) == expected
    assert len(used) == max(1, slots)


@pytest.fixture
def begun(film, tmp_path):
    return begin_film(str(film), str(tmp_path), SETTINGS, AT_ONCE)


@contextmanager
def child():
    with Sandbox(prepare_media, Limits(seconds=60)) as sandbox:
        yield sandbox


@pytest.mark.nightly
def test_a_stretch_whose_child_is_killed_is_read_again(film, begun, tmp_path):
    with child() as sandbox:
        for number in range(len(begun.frames.files)):
            sandbox.run(read_after_a_kill, str(tmp_path / "killed"), begun, str(tmp_path), number, SETTINGS)
        found = sandbox.run(finish_film, begun, str(tmp_path), SETTINGS)
        again = sandbox.run(finish_film, begun, str(tmp_path), SETTINGS)  # as after a kill at the end
    assert (tmp_path / "killed").exists()
    (tmp_path / "whole").mkdir()
    assert found == again == extract(str(film), str(tmp_path / "whole"), SETTINGS)
    assert (tmp_path / FRAMES_FILE).read_bytes() == (tmp_path / "whole" / FRAMES_FILE).read_bytes()


@pytest.mark.nightly
def test_a_stretch_that_crashes_its_decoder_fails_its_film(begun, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_films, "reader_slots", lambda: (0, {}))
    monkeypatch.setattr(shared_films, "read_film", crash)
    with child() as sandbox, pytest.raises(ObjectError) as caught:
        shared_films.finished(begun, tmp_path, sandbox, SETTINGS, Limits(seconds=60))
    assert caught.value.failure == Failure.CRASHED


@pytest.mark.nightly
def test_a_stretch_has_a_limit_of_its_own(begun, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_films, "reader_slots", lambda: (0, {}))
    with Sandbox(prepare_media, Limits(seconds=0.001)) as sandbox, pytest.raises(ObjectError) as caught:
        shared_films.finished(begun, tmp_path, sandbox, SETTINGS, Limits(seconds=0.001))
    assert caught.value.failure == Failure.TIME_LIMIT
