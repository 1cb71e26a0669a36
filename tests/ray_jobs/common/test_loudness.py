"""Only very quiet recordings are amplified, and none beyond full scale."""

import numpy as np
import pytest

from ingest.common.loudness import gain, scaled
from ingest.common.speech import SAMPLE_RATE


def tone(amplitude, seconds=4.0):
    return np.rint(amplitude * np.sin(np.arange(int(seconds * SAMPLE_RATE)) / 5)).astype(np.int16)


@pytest.mark.parametrize(
    "samples",
    [tone(0), tone(20_000), tone(60), tone(0, 0), np.concatenate([tone(3, 700), tone(9000, 1)])],
    ids=["silence", "loud", "quiet", "nothing", "one loud second"],
)
def test_other_recordings_stay_as_they_are(samples):
    assert gain(samples) == 1.0
    assert np.array_equal(scaled(samples, 1.0), samples.astype(np.float32) / 32768)


@pytest.mark.parametrize("amplitude", [10, 40])
@pytest.mark.parametrize("seconds", [0.5, 4, 700])
def test_a_very_quiet_recording_becomes_as_loud_as_speech(amplitude, seconds):
    samples = tone(amplitude, seconds)
    loudest = scaled(samples[:SAMPLE_RATE], gain(samples))
    assert 20 * np.log10(np.sqrt(np.square(loudest).mean())) == pytest.approx(-26, abs=4)


def test_the_noise_of_the_last_bit_stays_quiet():
    assert gain(np.random.default_rng(1).integers(-1, 2, SAMPLE_RATE).astype(np.int16)) < 320


def test_a_click_in_a_quiet_recording_is_cut():
    samples = tone(10)
    samples[100] = 4000
    assert gain(samples) > 50
    assert np.abs(scaled(samples, gain(samples))).max() == 1
