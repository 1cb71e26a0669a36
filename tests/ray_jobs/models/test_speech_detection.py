"""Speech is found at any usual loudness and at the quality of a telephone, and nowhere else."""

from itertools import pairwise

import numpy as np
import pytest

from embedded import speech as made
from ingest.common.speech import SAMPLE_RATE
from ingest.media.extraction import AUDIO_FILE, MediaSettings, extract
from ingest.models.speech_detection import _groups, speech_in

LONGEST = 28 * SAMPLE_RATE


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    """Somebody who speaks for eleven seconds, from -1 to 1."""
    folder = tmp_path_factory.mktemp("voice")
    said = "The lighthouse sounds twice a minute when the fog comes in. The keeper lights the lamp at dusk."
    (folder / "a.wav").write_bytes(made.wav(2 * (made.say(said) + made.silence(0.3))))
    extract(str(folder / "a.wav"), str(folder), MediaSettings())
    return np.fromfile(folder / AUDIO_FILE, "<i2") / np.float32(32768)


def telephone(samples, noise):
    """The band of a telephone, 300 to 3400 Hz, with noise."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    heard = np.fft.irfft(spectrum, len(samples)) + np.random.default_rng(0).normal(0, noise, len(samples))
    return heard.astype(np.float32)


def share(samples):
    return sum(end - start for start, end in speech_in(samples, LONGEST)) / len(samples)


@pytest.mark.parametrize("gain", [0.25, 1, 4])
def test_speech_at_the_quality_of_a_telephone_is_found_however_loud_it_is(voice, gain):
    assert share(telephone(voice, 0.002) * np.float32(gain)) > 0.8


def test_noise_of_a_telephone_is_no_speech(voice):
    assert speech_in(telephone(np.zeros_like(voice), 0.05), LONGEST) == []


def test_stretches_are_in_order_apart_and_not_too_long(voice):
    loud, longest = telephone(voice, 0.002), 5 * SAMPLE_RATE
    found = speech_in(np.concatenate([loud, np.zeros(SAMPLE_RATE, np.float32), loud * np.float32(0.1)]), longest)
    assert max(end - start for start, end in found) <= longest
    assert all(end <= start for (_, end), (start, _) in pairwise(found))


def test_stretches_of_both_times_that_overlap_are_a_group():
    groups = list(_groups([(0, 5), (20, 30)], [(4, 8), (8, 10), (12, 15), (29, 40)]))
    assert groups == [([], []), ([(0, 5)], [(4, 8)]), ([], [(8, 10)]), ([], [(12, 15)]), ([(20, 30)], [(29, 40)])]
