"""The rows of a long film do not depend on the pieces and parts in which it goes from stage to stage."""

import pytest

from embedded.videos import film, make_films
from ingest.common.speech import SAMPLE_RATE
from ingest.stages import video_parts, videos
from ingest.stages.divided_recordings import Division
from ingest.store.parse_cache import ParseCache
from video_stages import WINDOW, Local, Numbers, extracted, stage, transcribed

pytestmark = [pytest.mark.tier("parts"), pytest.mark.xdist_group("models")]  # the sandbox is a process
TOUR, SILENT = "coast-tour.mp4", "no-audio.mp4"


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for name, data in make_films([film(TOUR), film(SILENT)]).items():
        (folder / name).write_bytes(data)
    yield folder
    videos._sandbox.cache_clear()


@pytest.fixture(autouse=True)
def numbers(monkeypatch):
    monkeypatch.setattr("ingest.models.transcriber.Transcriber", Numbers)


def rows_of(tables, collector, order=list):
    """The rows of a recording, whose parts have any number of rows."""
    found = transcribed([stage("", collector), stage("", collector)], order(tables))
    rows = {}
    for part in found:
        for index, fields in enumerate(part["fields"]):
            vectors = part["known_vectors"]
            vector = None if vectors is None else tuple(vectors[2 * index : 2 * index + 2])
            said = part["texts"][index] if part["texts"] else None
            assert rows.setdefault(part["first"] + index, value := (part["collection"], fields, said, vector)) is value
    assert {tuple(part["totals"]) for part in found} == {tuple(found[0]["totals"])}
    assert {part["metadata"] for part in found} == {found[0]["metadata"]}
    assert sorted(rows) == list(range(sum(found[0]["totals"])))
    return rows, len(found)


@pytest.mark.parametrize(
    ("name", "window"),
    [
        (TOUR, WINDOW),
        pytest.param(TOUR, 60 * SAMPLE_RATE, marks=pytest.mark.nightly),
        pytest.param(SILENT, WINDOW, marks=pytest.mark.nightly),
    ],
)
def test_the_rows_of_a_film_whose_key_frames_come_in_pieces_are_those_of_the_whole_film(
    films, monkeypatch, name, window
):
    division = Division(1, window)
    expected, parts = rows_of(extracted(films / name, division, collector := Local()), collector)
    assert parts == (2 if name == TOUR else 1)
    for module in ("PART_FRAMES", "PART_PASSAGES"):
        monkeypatch.setattr(video_parts, module, 1)
    tables = extracted(films / name, division, collector := Local())
    assert [len(table["frame_times"][0]) for table in tables[-3:]] == [1, 1, 1]
    found, parts = rows_of(tables, collector, reversed)
    assert parts == len(found)
    assert found == expected


@pytest.mark.nightly
def test_a_kept_transcript_and_key_frames_in_pieces_need_no_model(films, tmp_path, monkeypatch):
    monkeypatch.setattr(video_parts, "PART_FRAMES", 1)
    cache = ParseCache(f"{tmp_path}/kept/", "videos", "transcript", {}, "1")
    division = Division(1, 60 * SAMPLE_RATE)
    tables = extracted(films / TOUR, division, collector := Local(), cache=cache)
    expected = transcribed([stage("", collector, cache=cache)], tables)
    monkeypatch.setattr("ingest.models.transcriber.Transcriber", lambda *_: pytest.fail("the model was loaded"))
    tables = extracted(films / TOUR, division, collector := Local(), cache=cache)
    assert tables[0]["audio"][0].as_py() == b""
    assert transcribed([stage("", collector, cache=cache)], tables) == expected
