"""Of several audio tracks, the first one in which somebody speaks is read, and the metadata name it."""

import av
import numpy as np
import pytest
from av.stream import Disposition

from embedded import speech
from embedded.recordings import beeps
from ingest.media.container import decodable_streams
from ingest.media.extraction import AUDIO_FILE, MediaSettings, extract
from ingest.media.opening import open_media

RATE = 16_000


@pytest.fixture(scope="module")
def voice():
    """Three seconds of speech at 16 kHz: int16 of shape (1, n)."""
    said = np.frombuffer(speech.say("The lighthouse sounds twice a minute when the fog comes in."), np.int16)
    places = np.arange(3 * RATE) * speech.SAMPLE_RATE / RATE
    return np.interp(places, np.arange(len(said)), said).astype(np.int16)[None]


def write(path, tracks, dispositions=()):
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in tracks]
        for stream, disposition in zip(streams, dispositions, strict=False):
            stream.disposition = disposition
        for stream, samples in zip(streams, tracks, strict=True):
            frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
            frame.sample_rate = RATE
            container.mux(stream.encode(frame))
    return str(path)


def silence():
    return np.zeros((1, 3 * RATE), np.int16)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_first_track_with_speech_is_read(place, voice, tmp_path):
    tracks = [beeps(3, RATE, [1]), silence(), beeps(3, RATE, [2])]
    tracks[place] = voice
    media = extract(write(tmp_path / "a.mkv", tracks), str(tmp_path), MediaSettings())
    assert np.array_equal(np.fromfile(tmp_path / AUDIO_FILE, "<i2"), voice[0])
    assert media.metadata["audio_track"] == place + 1
    assert [path.name for path in tmp_path.glob(f"{AUDIO_FILE}*")] == [AUDIO_FILE]


def test_the_first_track_is_read_if_nobody_speaks(tmp_path):
    path = write(tmp_path / "a.mkv", [beeps(3, RATE, [1]), silence()])
    assert extract(path, str(tmp_path), MediaSettings()).metadata["audio_track"] == 1
    assert np.fromfile(tmp_path / AUDIO_FILE, "<i2").any()


def test_the_only_track_has_no_number(voice, tmp_path):
    metadata = extract(write(tmp_path / "a.mkv", [voice]), str(tmp_path), MediaSettings()).metadata
    assert "audio_track" not in metadata


def test_a_commentary_comes_last_and_the_default_first(tmp_path):
    dispositions = [Disposition.comment, Disposition(0), Disposition.default]
    with open_media(write(tmp_path / "a.mkv", [silence()] * 3, dispositions)) as container:
        order = [stream.index for stream in decodable_streams(container, "audio")]
    assert order == [2, 1, 0]
