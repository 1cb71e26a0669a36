"""No channel extinguishes another, and speech in one channel of several stays loud."""

import wave

import numpy as np
import pytest

from ingest.media.downmix import downmix
from ingest.media.extraction import AUDIO_FILE, MediaSettings, extract

RATE = 16_000
TIME = np.arange(RATE) / RATE
VOICE = 8000 * np.sin(2 * np.pi * 300 * TIME) * (1 + np.sin(2 * np.pi * 4 * TIME)) / 2
NOISE = np.random.default_rng(0).normal(0, 1, (8, RATE))


def level(samples):
    return float(np.sqrt(np.mean(np.square(samples.astype(float)))))


def channels(*values):
    return np.stack(values, axis=1).round().astype(np.int16)


@pytest.mark.parametrize(
    "samples",
    [
        channels(VOICE, -VOICE),
        channels(VOICE + 300 * NOISE[0], -0.6 * VOICE + 300 * NOISE[1]),
        channels(VOICE, 0 * VOICE),
        channels(0 * VOICE, VOICE),
        channels(*[0 * VOICE] * 2, VOICE, *[0 * VOICE] * 3),
        channels(*[20 * NOISE[n] + VOICE * (n == 4) for n in range(8)]),
        channels(VOICE, VOICE),
    ],
    ids=["opposite", "nearly opposite", "left alone", "right alone", "centre of six", "fifth of eight", "both"],
)
def test_a_voice_stays_loud(samples):
    mixed = downmix(samples)
    assert level(mixed) > 0.7 * level(VOICE)
    assert abs(np.corrcoef(mixed, VOICE)[0, 1]) > 0.95


def test_a_common_voice_survives_wide_music():
    wide = 3000 * NOISE[0]
    mixed = downmix(channels(VOICE + wide, VOICE - wide))
    assert np.corrcoef(mixed, VOICE)[0, 1] > 0.99


def test_silence_stays_silence():
    assert not downmix(np.zeros((100, 2), np.int16)).any()


def test_loud_channels_do_not_overflow():
    loud = np.full((100, 2), 32_767, np.int16)
    assert downmix(loud).max() == 32_767
    assert downmix(loud * np.array([1, -1], np.int16)).max() == 32_767


@pytest.mark.parametrize("count", [2, 3, 6, 8, 12])
def test_a_file_of_several_channels_keeps_the_voice_of_one(count, tmp_path):
    samples = channels(*[VOICE * (number == count - 1) for number in range(count)])
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((count, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    media = extract(str(tmp_path / "a.wav"), str(tmp_path), MediaSettings())
    mixed = np.fromfile(tmp_path / AUDIO_FILE, "<i2")
    assert media.audio_seconds == 1.0
    assert np.corrcoef(mixed, VOICE)[0, 1] > 0.99
    assert level(mixed) > 0.7 * level(VOICE)
