"""Small real models transcribe speech with its times and its language, and add no text where nobody speaks."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from embedded import speech as made
from ingest.common.errors import ConfigurationError
from ingest.common.speech import SAMPLE_RATE
from ingest.media.extraction import AUDIO_FILE, MediaSettings, extract
from ingest.models import speech_windows
from ingest.models import transcriber as speech
from ingest.models.speech_model import find_speech_model
from ingest.models.transcriber import Transcriber


@pytest.fixture(scope="module")
def english(whisper_path):
    return Transcriber(whisper_path, threads=2)


@pytest.fixture(scope="module")
def multilingual(whisper_base_path):
    return Transcriber(whisper_base_path, threads=2)


@pytest.fixture(scope="module")
def pcm(tmp_path_factory):
    """Returns the samples of a file."""
    folder = tmp_path_factory.mktemp("pcm")

    def read(path):
        extract(str(path), str(folder), MediaSettings())
        return np.fromfile(folder / AUDIO_FILE, "<i2")

    return read


LIGHTHOUSE = (
    "The lighthouse sounds twice a minute when the fog comes in. "
    "The keeper lights the lamp at dusk, and puts it out when the sun is up again."
)
LEAD, SECONDS = 0.3, 8.25
"""Of the recording: when its speech begins, and its length."""
PAUSE = 4.0
"""Between repetitions."""


@pytest.fixture(scope="module")
def lighthouse(pcm, tmp_path_factory):
    """A recording of two sentences."""
    path = tmp_path_factory.mktemp("speech") / "lighthouse.wav"
    path.write_bytes(made.wav(made.silence(LEAD) + made.say(LIGHTHOUSE)))
    return pcm(path)


def silence(seconds):
    return np.zeros(round(seconds * SAMPLE_RATE), np.int16)


def text(transcript):
    return " ".join(segment.text for segment in transcript.segments)


def test_speech_is_transcribed(english, lighthouse):
    found = english.transcribe(lighthouse)
    assert "sounds twice a minute when the fog comes in" in text(found)
    assert (found.language, found.probability) == ("en", 1.0)


def test_speech_that_is_hardly_loud_enough_to_be_heard_is_transcribed(english, lighthouse):
    quiet = np.rint(lighthouse * 10 ** (-50 / 20)).astype(np.int16)
    assert "twice a minute when the fog comes in" in text(english.transcribe(quiet))


def test_an_announcement_that_repeats_is_found_each_time(english, pcm, tmp_path):
    said = made.say("The train to the coast departs from platform four.") + made.silence(0.8)
    (tmp_path / "a.wav").write_bytes(made.wav(4 * said))
    found = english.transcribe(pcm(tmp_path / "a.wav"))
    assert len(re.findall("platform", text(found))) == 4


def test_a_memoryview_is_read_like_an_array(english, lighthouse):
    assert english.transcribe(memoryview(lighthouse)) == english.transcribe(lighthouse)


def test_times_count_from_the_first_sample(english, lighthouse):
    found = english.transcribe(np.concatenate([silence(20), lighthouse, silence(15), lighthouse]))
    again = 20 + SECONDS + 15
    first = [segment for segment in found.segments if segment.end < 22 + SECONDS]
    second = [segment for segment in found.segments if segment.start > again - 2]
    assert [*first, *second] == found.segments
    assert first[0].start == pytest.approx(20 + LEAD, abs=1)
    assert second[0].start == pytest.approx(again + LEAD, abs=1)
    assert second[-1].end == pytest.approx(again + SECONDS, abs=1)


@pytest.fixture(scope="module")
def hesitating(pcm, tmp_path_factory):
    """A sentence with a pause before the word "when", and the second at which that is spoken."""
    before = made.silence(LEAD) + made.say("The lighthouse sounds twice a minute") + made.silence(1.0)
    path = tmp_path_factory.mktemp("speech") / "hesitating.wav"
    path.write_bytes(made.wav(before))
    second = len(pcm(path)) / SAMPLE_RATE
    path.write_bytes(made.wav(before + made.say("when the fog comes in from the cold sea.")))
    return pcm(path), second


def test_a_word_has_the_time_at_which_it_is_spoken(english, hesitating):
    sound, second = hesitating
    found = english.transcribe(sound).segments
    starts = {
        segment.text[at:].split()[0]: start for segment in found for at, start in ((0, segment.start), *segment.words)
    }
    assert starts["when"] == pytest.approx(second, abs=0.35)
    assert starts["sounds"] < starts["twice"] < starts["minute"] < second - 0.8
    assert starts["cold"] < starts["sea."] <= found[-1].end


def test_the_times_of_words_change_neither_the_text_nor_the_times_of_segments(english, hesitating):
    sound = hesitating[0].astype(np.float32) / 32768
    clips = [{"start": 0.0, "end": len(sound) / SAMPLE_RATE}]
    plain, timed = (
        [
            (segment.start, segment.end, segment.text, segment.tokens)
            for segment in english._pipeline.transcribe(
                sound, language="en", clip_timestamps=clips, without_timestamps=False, word_timestamps=words
            )[0]
        ]
        for words in (False, True)
    )
    assert plain == timed


@pytest.mark.nightly
def test_windows_end_in_silence(english, lighthouse, monkeypatch):
    samples = np.concatenate([lighthouse, silence(PAUSE), lighthouse, silence(PAUSE), lighthouse])
    whole = english.transcribe(samples)
    monkeypatch.setattr(speech_windows, "WINDOW", 12 * SAMPLE_RATE)
    windows = [sound for _, sound in speech_windows.windows(samples)]
    assert len(windows) > 2
    assert sum(map(len, windows)) < len(samples) + 2 * speech_windows.WINDOW
    found = english.transcribe(samples)
    assert text(found).count("the fog comes in") == text(whole).count("the fog comes in") == 3
    starts = [segment.start for segment in found.segments if "fog" in segment.text]
    assert starts == pytest.approx([LEAD + number * (SECONDS + PAUSE) for number in range(3)], abs=1)


@pytest.mark.parametrize(
    "kind", ["nothing", "silence", "last bit", "noise", "quiet noise", "tone", "chords", "quiet chords"]
)
def test_a_recording_without_speech_has_no_text(english, kind):
    time = np.arange(30 * SAMPLE_RATE) / SAMPLE_RATE
    notes = sum(np.sin(2 * np.pi * hertz * time) * (1 + np.sin(2 * np.pi * time)) for hertz in (220, 277, 330))
    noise = np.random.default_rng(0).normal(0, 1500, len(time))
    sounds = {
        "nothing": silence(0),
        "silence": silence(30),
        "last bit": np.rint(noise / 3000).astype(np.int16),
        "noise": noise.astype(np.int16),
        "quiet noise": (noise / 100).astype(np.int16),
        "quiet chords": (10 * notes).astype(np.int16),
        "tone": (9000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16),
        "chords": (3000 * notes).astype(np.int16),
    }
    assert english.transcribe(sounds[kind]) == speech.Transcript([], None, 0.0)


def test_an_english_model_takes_all_speech_for_english(english, lighthouse):
    assert english.transcribe(lighthouse, "de").language == "en"


@pytest.mark.nightly
def test_the_language_is_detected(multilingual, corpus, pcm):
    found = multilingual.transcribe(pcm(corpus / "audio/misc/sr_french.aiff"))
    assert found.language == "fr"
    assert found.probability > 0.9
    assert "dictée" in text(found)


@pytest.mark.nightly
def test_a_recording_in_two_languages_is_transcribed_in_both(multilingual, corpus, pcm):
    found = text(multilingual.transcribe(pcm(corpus / "audio/misc/fw_multilingual.mp3")[: 45 * SAMPLE_RATE]))
    assert "Permission is hereby granted, free of charge, to any person obtaining a copy" in found
    assert "Jeden, der diese Software" in found


def test_an_unknown_language_is_a_configuration_error(multilingual, lighthouse):
    with pytest.raises(ConfigurationError, match="'klingon'"):
        multilingual.transcribe(lighthouse, "klingon")


@pytest.mark.nightly
def test_a_batch_that_exceeds_the_gpu_memory_is_halved_and_no_clip_is_lost(whisper_path, lighthouse):
    sizes = []

    class Small(Transcriber):
        """Simulates a GPU whose memory holds two clips."""

        def _transcribe_batch(self, window, batch, language):
            sizes.append(len(batch))
            if len(batch) > 2:
                raise RuntimeError("CUDA failed with error out of memory")
            return super()._transcribe_batch(window, batch, language)

    small = Small(whisper_path, threads=2, batch_size=8)
    samples = np.concatenate([part for _ in range(4) for part in (lighthouse, silence(5))])
    assert text(small.transcribe(samples)).count("the fog comes in") == 4
    assert sizes == [4, 2, 2]


@pytest.mark.nightly
def test_the_times_of_the_first_and_last_segment_match_the_recording(english, corpus, pcm):
    rows = [json.loads(line) for line in (corpus / "truth_av.jsonl").read_text().splitlines()]
    rows = [row for row in rows if "speech" in row and not row.get("hard")][:1]
    for row in rows:
        found = english.transcribe(pcm(corpus / row["file"]))
        assert found.segments[0].start == pytest.approx(row["speech"][0]["t0"], abs=1)
        assert found.segments[-1].end == pytest.approx(row["speech"][-1]["t1"], abs=1)
        said, truth = (set(re.findall(r"\w+", words.lower())) for words in (text(found), row["text"]))
        assert len(said & truth) > 0.8 * len(truth)


def test_a_folder_is_described_by_its_files(whisper_path, whisper_base_path):
    tiny, base = find_speech_model(whisper_path), find_speech_model(whisper_base_path)
    assert (tiny.multilingual, base.multilingual) == (False, True)
    assert tiny.name == str(Path(whisper_path).resolve())
    assert tiny.identity != base.identity
    assert 70e6 < tiny.weight_bytes < 80e6
    assert 140e6 < base.weight_bytes < 150e6


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("small", "--whisper-model 'small' was not found: it is no folder, and it is not in the local cache and the "
         "model hub cannot be reached; check the name or give the path of a local copy"),
        ("enormous", "--whisper-model 'enormous' is no size of Whisper"),
        ("/no/such/folder", "--whisper-model '/no/such/folder': there is no such folder"),
    ],
)  # fmt: skip
def test_a_missing_model_is_reported_in_one_sentence(name, sentence):
    with pytest.raises(ConfigurationError) as caught:
        find_speech_model(name)
    assert str(caught.value).startswith(sentence)


def test_the_error_for_a_folder_without_a_model_names_the_needed_files(tmp_path):
    with pytest.raises(ConfigurationError, match=r"not a Whisper model in CTranslate2 form .* needs model\.bin"):
        find_speech_model(str(tmp_path))
