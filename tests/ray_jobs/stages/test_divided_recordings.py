"""A long recording in stretches gives the rows that it gives as a whole, whatever fails meanwhile."""

import json
from concurrent.futures import Future
from pathlib import Path

import pytest

from embedded.speech import VOICE, say, silence, wav
from embedded.videos import LECTURE, film, make_films
from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.sandbox import Sandbox
from ingest.common.speech import SAMPLE_RATE
from ingest.media.extraction import AUDIO_FILE, MediaSettings, extract
from ingest.models import speech_windows
from ingest.stages import divided_recordings, videos
from ingest.stages.divided_recordings import DividedRecording, Division
from ingest.store.parse_cache import ParseCache
from video_stages import WINDOW, Local, Numbers, Observed, entry, extracted, stage, text, transcribed

children = pytest.mark.tier("parts")  # each sandbox is a process
pytestmark = pytest.mark.xdist_group("models")
TOUR, SPEECH = "coast-tour.mp4", "speech.wav"


@pytest.fixture
def collector():
    return Local()


@pytest.fixture
def observed():
    return Observed()


@pytest.fixture(scope="module", autouse=True)
def _one_child():
    yield
    videos._sandbox.cache_clear()


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for name, data in make_films([film(TOUR), film(SPEECH)]).items():
        (folder / name).write_bytes(data)
    return folder


def divided(path, collector, **kwargs):
    return extracted(path, Division(1, WINDOW), collector, **kwargs)


def whole(path, model, monkeypatch, window=WINDOW):
    """The rows of a recording that is not divided, but read in the same windows."""
    with monkeypatch.context() as patch:
        patch.setattr(speech_windows, "WINDOW", window)
        return transcribed([stage(model, Local())], extracted(path, Division(8), Local()))


@pytest.mark.nightly
def test_the_rows_of_a_film_in_stretches_are_those_of_the_whole_film(
    films, whisper_path, collector, observed, monkeypatch
):
    expected = whole(films / TOUR, whisper_path, monkeypatch)
    assert len(expected[0]["texts"]) > 1
    assert [row["totals"][1] for row in expected] == [3, 3]
    tables = divided(films / TOUR, collector)
    assert len(tables) == 3
    assert [table["frames"][0].as_py() != b"" for table in tables] == [False, False, True]
    asked = []
    actor = stage(whisper_path, collector, observed, before=asked.append)
    assert transcribed([actor], reversed(tables)) == expected
    assert observed.items["transcribe"] == pytest.approx(12, abs=1)
    assert asked == [entry(films / TOUR)]


# --- with a model that says the number of each stretch


@pytest.fixture
def numbers(monkeypatch):
    monkeypatch.setattr("ingest.models.transcriber.Transcriber", Numbers)


ALL = "Stretch 0. Stretch 1. Stretch 2."


@pytest.mark.nightly
@children
@pytest.mark.usefixtures("numbers")
def test_a_stretch_whose_actor_died_is_heard_again_and_changes_nothing(films, collector):
    tables = divided(films / TOUR, collector)
    first, second = stage("", collector), stage("", collector)
    assert transcribed([first], tables[:1]) == []
    assert text(transcribed([second], tables)) == ALL
    assert text(transcribed([first], tables)) == ALL  # the last stretch completed it
    assert transcribed([first], tables[:2]) == []


@children
@pytest.mark.usefixtures("numbers")
def test_a_stretch_that_cannot_be_transcribed_fails_its_recording_once(films, collector, monkeypatch):
    monkeypatch.setattr(Numbers, "broken", {1})
    (failed,) = transcribed([stage("", collector)], divided(films / TOUR, collector))
    assert (failed["error_type"], failed["source"]) == (Failure.MODEL_ERROR, entry(films / TOUR)["source"])
    assert "bad day" in failed["problem"]
    assert failed["texts"] == []


@children
@pytest.mark.usefixtures("numbers")
def test_a_recording_whose_collector_was_lost_fails_once_and_may_be_tried_again(films, collector):
    tables = divided(films / TOUR, collector)
    transcribed([stage("", collector)], tables[:1])
    (failed,) = transcribed([stage("", Local())], tables[1:])
    assert failed["error_type"] == Failure.INTERRUPTED


@children
@pytest.mark.usefixtures("numbers")
def test_a_recording_in_which_nobody_speaks_is_one_row(tmp_path, collector):
    (tmp_path / "a.wav").write_bytes(wav(silence(14)))
    (table,) = divided(tmp_path / "a.wav", collector)
    assert text(transcribed([stage("", collector)], [table])) == "Stretch 0."


@children
def test_a_recording_that_is_no_longer_than_a_window_stays_one_row(films, collector):
    (table,) = extracted(films / SPEECH, Division(1, 60 * SAMPLE_RATE), collector)
    assert table["stretch"][0].as_py() is None


@children
@pytest.mark.usefixtures("numbers")
def test_a_recording_fails_once_if_its_speech_cannot_be_found(films, collector, monkeypatch):
    found = []

    def run(self, function, *args):
        if function is speech_windows.find_window_of_file:
            found.append(args)
            if len(found) == 2:
                raise ObjectError(Failure.TIME_LIMIT, "parsing was ended", limit=1.0)
        return original(self, function, *args)

    original = Sandbox.run
    monkeypatch.setattr(Sandbox, "run", run)
    (failed,) = transcribed([stage("", collector)], divided(films / TOUR, collector))
    assert (failed["error_type"], failed["limit"]) == (Failure.TIME_LIMIT, 1.0)


@children
@pytest.mark.usefixtures("numbers")
def test_the_transcript_of_a_divided_recording_is_kept_and_takes_the_place_of_its_sound(films, collector, tmp_path):
    cache = ParseCache(f"{tmp_path}/kept/", "videos", "transcript", {}, "1")
    found = transcribed([stage("", collector, cache=cache)], divided(films / TOUR, collector, cache=cache))
    assert text(found) == ALL
    (table,) = divided(films / TOUR, Local(), cache=cache)
    assert table["audio"][0].as_py() == b""
    assert transcribed([stage("", Local(), cache=cache)], [table]) == found


# --- while it is decoded


class InThisProcess:
    """Stands in for a sandbox."""

    def run(self, function, *args):
        return function(*args)


@pytest.fixture(scope="module")
def sound(films, tmp_path_factory):
    """The PCM of the film."""
    folder = tmp_path_factory.mktemp("sound")
    extract(str(films / TOUR), str(folder), MediaSettings())
    return (folder / AUDIO_FILE).read_bytes()


@pytest.fixture
def growing(tmp_path, sound, collector):
    """A recording of which nine seconds of twelve are decoded: its division, and what says that all are."""
    decoding = Future()
    (tmp_path / "a.pcm").write_bytes(sound[: 9 * 2 * SAMPLE_RATE])
    key = ("s3://b/a.mp3", "v1")
    return DividedRecording(key, tmp_path / "a.pcm", decoding, Division(1, WINDOW // 2), collector), decoding


def test_a_stretch_is_known_while_the_rest_is_decoded_and_the_same_as_afterwards(growing, sound, tmp_path, collector):
    recording, decoding = growing
    assert recording.is_long()
    found = recording.stretches(InThisProcess())
    first = next(found)
    assert not decoding.done()
    (tmp_path / "a.pcm").write_bytes(sound)
    decoding.set_result(None)
    again = DividedRecording(("", ""), tmp_path / "a.pcm", decoding, Division(1, WINDOW // 2), collector)
    assert [first, *found] == list(again.stretches(InThisProcess()))


def test_a_stretch_waits_for_a_decoder_that_begins_anew(growing, sound, tmp_path, monkeypatch):
    recording, _ = growing
    expected = next(recording.stretches(InThisProcess()))
    original, results = speech_windows.find_window_of_file, []

    def interrupted(path, *args):
        if not results:  # the file was shorter for a moment
            Path(path).write_bytes(sound[:SAMPLE_RATE])
        results.append(original(path, *args))
        Path(path).write_bytes(sound)
        return results[-1]

    monkeypatch.setattr(divided_recordings, "find_window_of_file", interrupted)
    assert next(recording.stretches(InThisProcess())) == expected
    assert results[0] is None


def test_a_recording_that_cannot_be_decoded_to_its_end_fails_once(growing):
    recording, decoding = growing
    found = recording.stretches(InThisProcess())
    next(found)
    error = ObjectError(Failure.TOO_LONG, "the file is too long")
    decoding.set_exception(error)
    with pytest.raises(ObjectError, match="too long"):
        list(found)
    assert recording.fail(error).failure == Failure.TOO_LONG


def test_a_recording_that_cannot_be_decoded_is_not_divided(growing):
    recording, decoding = growing
    decoding.set_exception(ObjectError(Failure.DAMAGED, "it is damaged"))
    assert not recording.is_long()


# --- at length


@pytest.mark.nightly
@pytest.mark.parametrize("clips", [1, 2, 4, 8])
def test_stretches_of_any_size_give_the_same_rows(tmp_path, whisper_path, collector, monkeypatch, clips):
    (tmp_path / "a.wav").write_bytes(wav(LECTURE.samples))
    expected = whole(tmp_path / "a.wav", whisper_path, monkeypatch, 40 * SAMPLE_RATE)
    tables = extracted(tmp_path / "a.wav", Division(clips, 40 * SAMPLE_RATE), collector)
    assert transcribed([stage(whisper_path, collector)], tables) == expected


FRENCH, ENGLISH = "Bonjour, le chat dort devant la fenêtre et il attend le matin.", "The cat waits for the morning."


@pytest.mark.nightly
def test_all_stretches_have_the_language_of_the_recording(tmp_path, whisper_base_path, collector, monkeypatch):
    said = [(FRENCH, "fr"), (FRENCH, "fr"), (ENGLISH, VOICE)]
    (tmp_path / "a.wav").write_bytes(wav(b"".join(say(text, voice) + silence(4) for text, voice in said)))
    expected = whole(tmp_path / "a.wav", whisper_base_path, monkeypatch)
    assert json.loads(expected[0]["metadata"])["language"] == "fr"
    tables = divided(tmp_path / "a.wav", collector)
    assert len(tables) > 2
    actors = [stage(whisper_base_path, collector) for _ in range(2)]
    assert transcribed(actors, reversed(tables)) == expected
