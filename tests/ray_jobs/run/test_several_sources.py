"""A run over several sources processes each object once, counts by source, and no source hides another one."""

import json
from collections import Counter

import pytest

from ingest.common.errors import ConfigurationError
from ingest.run.flags import FlagParser
from ingest.run.local_paths import with_absolute_paths
from ingest.run.report import Counts
from ingest.run.shared_flags import RUN_FLAGS
from ingest.store.object_store import normalise_sources
from run_world import small_world

ROOT = "s3://bucket/pdfs/"
DAYS = ["01/", "02/", "03/"]
SOURCES = [ROOT + day for day in DAYS]
NAMES = [f"{day}{number:02}.pdf" for day in DAYS for number in range(12)]


@pytest.fixture
def world(s3_stub, milvus, milvus_client, monkeypatch):
    with small_world(s3_stub, milvus_client, milvus.uri, "pdfs/", NAMES) as world:
        world.process_without_ray(monkeypatch)
        yield world


def counts(report):
    """The counts by source that are not 0."""
    shown = {}
    for source, found in report.as_dict()["by_source"].items():
        shown[source.removeprefix(ROOT)] = {name: count for name, count in found.items() if count}
    return shown


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["s3://bbb/2/", "s3://bbb/1/"], ["s3://bbb/2/", "s3://bbb/1/"]),
        (["s3://bbb/1/", "s3://bbb/1/"], ["s3://bbb/1/"]),
        (["s3://bbb/a/b/", "s3://bbb/a/", "s3://bbb/a/c/d/"], ["s3://bbb/a/"]),
        (["s3://bbb", "s3://bbb/a/"], ["s3://bbb/"]),
        (["s3://bbb/a", "s3://bbb/ab/"], ["s3://bbb/a"]),
        (["s3://bbb/a/", "s3://bbb/ab/"], ["s3://bbb/a/", "s3://bbb/ab/"]),
    ],
)
def test_no_object_is_under_two_sources(given, expected):
    assert list(normalise_sources(given)) == expected


def test_a_folder_written_in_two_ways_is_one_source_and_the_path_of_a_file_is_no_prefix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pdf").touch()
    (tmp_path / "a.pdf.d").mkdir()
    given = ["a.pdf.d", f"file://{tmp_path}/a.pdf.d/", "./a.pdf.d/../a.pdf.d", "a.pdf"]
    assert list(normalise_sources(given)) == [f"file://{tmp_path}/a.pdf.d/", f"file://{tmp_path}/a.pdf"]


def test_some_of_several_folders_may_be_absent_but_not_all(tmp_path):
    (tmp_path / "here").mkdir()
    absent = str(tmp_path / "absent")
    assert normalise_sources([absent, str(tmp_path / "here")])[0] == f"file://{absent}/"
    for sources in ([absent], [absent, f"{absent}-too"]):
        with pytest.raises(ConfigurationError, match="there is no such folder"):
            normalise_sources(sources)


def test_each_object_is_processed_once_and_counted_under_its_source(world):
    for name in ("01/new.pdf", "03/bad.pdf", "03/new.pdf"):
        world.stub.put(f"pdfs/{name}")
    world.stub.put("pdfs/02/00.pdf", b"another version")
    world.delete("01/00.pdf")
    report = world.run(sources=[SOURCES[2], SOURCES[0], f"{SOURCES[0]}0", SOURCES[1], SOURCES[2]])
    assert Counter(world.written) == Counter(["01/new.pdf", "02/00.pdf", "03/bad.pdf", "03/new.pdf"])
    assert counts(report) == {
        "03/": {"listed": 14, "added": 2, "unchanged": 12, "failed": 1},
        "01/": {"listed": 12, "added": 1, "unchanged": 11, "deleted": 1},
        "02/": {"listed": 12, "changed": 1, "unchanged": 11},
    }
    assert report.source == ", ".join([SOURCES[2], SOURCES[0], SOURCES[1]])
    totals = (report.listed, report.added, report.changed, report.unchanged, report.deleted, report.failed)
    assert totals == (38, 3, 1, 34, 1, 1)
    assert world.rows() == sorted([*NAMES[1:], "01/new.pdf", "03/new.pdf"])


def test_an_empty_source_is_not_hidden_by_full_ones_which_do_the_rest(world):
    world.delete(*NAMES[:12], "02/00.pdf")
    world.stub.put("pdfs/03/new.pdf")
    sentence, report = world.stopped(sources=SOURCES)
    assert sentence.startswith(f"12 of the 12 objects that the ledger knows under {SOURCES[0]} are missing")
    assert counts(report) == {
        "01/": {"kept": 12},
        "02/": {"listed": 11, "unchanged": 11, "deleted": 1},
        "03/": {"listed": 13, "added": 1, "unchanged": 12},
    }
    assert (report.kept, report.deleted) == (12, 1)
    assert world.rows() == sorted([*(name for name in NAMES if name != "02/00.pdf"), "03/new.pdf"])


def test_many_small_sources_do_not_lose_together_what_one_must_not(world):
    world.delete(*NAMES[:6], *NAMES[12:18])  # 6 of 12 each could go, 12 of 36 not
    sentence, report = world.stopped(sources=SOURCES)
    assert f"6 of the 12 objects that the ledger knows under {SOURCES[0]}, 6 of the 12" in sentence
    assert (report.kept, report.deleted, len(world.rows())) == (12, 0, 36)
    assert world.run("--max-deleted-fraction", "0.4", sources=SOURCES).deleted == 12


def test_what_is_approved_for_one_source_is_not_removed_from_another(world):
    world.delete(*NAMES[:12])
    asked = world.run("--ask-first", sources=SOURCES)
    assert asked.awaiting_removals == {SOURCES[0]: 12}
    approved = ("--approved-removals", json.dumps(asked.awaiting_removals))
    world.delete(*NAMES[12:24])
    sentence, report = world.stopped(*approved, sources=SOURCES)
    assert sentence.startswith(f"12 of the 12 objects that the ledger knows under {SOURCES[1]} are missing")
    assert counts(report) == {"01/": {"deleted": 12}, "02/": {"kept": 12}, "03/": {"listed": 12, "unchanged": 12}}
    assert world.rows() == NAMES[12:]


def test_what_many_small_sources_lose_together_is_approved_for_each_of_them(world):
    world.delete(*NAMES[:6], *NAMES[12:18])
    asked = world.run("--ask-first", sources=SOURCES)
    assert asked.awaiting_removals == {SOURCES[0]: 6, SOURCES[1]: 6}
    approved = ("--approved-removals", json.dumps(asked.awaiting_removals))
    world.delete(NAMES[24])  # which the limit allows
    assert world.run(*approved, sources=SOURCES).deleted == 13


def test_a_source_without_objects_is_no_error(world):
    report = world.run(sources=[*SOURCES, f"{ROOT}04/"])
    assert counts(report)["04/"] == {}
    assert report.unchanged == 36


def test_an_absent_folder_among_others_is_an_empty_one(world, tmp_path):
    report = world.run(sources=[*SOURCES, str(tmp_path), str(tmp_path / "gone")])
    assert f"there is no folder file://{tmp_path}/gone/" not in world.said  # it is under the folder before it
    report = world.run(sources=[*SOURCES, str(tmp_path / "gone")])
    assert f"there is no folder file://{tmp_path}/gone/" in world.said
    assert report.listed == 36


def test_a_missing_bucket_ends_the_run_before_it_changes_anything(world):
    world.stub.put("pdfs/01/new.pdf")
    world.stub.before_page = lambda start: (404, "NoSuchBucket", "no") if "pages" in world.said[-1] else None
    with pytest.raises(ConfigurationError, match="bucket 'pages' does not exist"):
        world.run(sources=[*SOURCES, "s3://pages/"])
    assert world.written == []


def test_a_limit_counts_over_all_sources_in_the_given_order(world):
    for day in DAYS:
        world.stub.put(f"pdfs/{day}new.pdf")
    report = world.run("--limit", "2", sources=SOURCES[::-1])
    assert world.written == ["03/new.pdf", "02/new.pdf"]
    assert [found.added for found in report.by_source.values()] == [1, 1, 0]


def test_a_dry_run_counts_by_source_and_changes_nothing(world):
    world.delete(NAMES[0])
    world.stub.put("pdfs/02/new.pdf")
    assert counts(world.run("--dry-run", sources=SOURCES[:2])) == {
        "01/": {"listed": 11, "unchanged": 11, "deleted": 1},
        "02/": {"listed": 13, "added": 1, "unchanged": 12},
    }
    assert f"11 objects listed: 0 new, 0 changed, 11 unchanged, 1 missing in {SOURCES[0]}" in world.said
    assert world.rows() == NAMES


def test_objects_that_are_kept_on_request_are_counted_by_source(world):
    world.delete(*NAMES[:12])
    report = world.run("--keep-missing", sources=SOURCES)
    assert (counts(report)["01/"], report.kept) == ({"kept": 12}, 12)


def test_only_failed_objects_of_all_sources_are_processed(world):
    for day in DAYS[:2]:
        world.stub.put(f"pdfs/{day}bad.pdf")
    world.stub.put("pdfs/03/new.pdf")
    world.run("--limit", "2", sources=SOURCES)
    world.written.clear()
    report = world.run("--only-failed", sources=SOURCES)
    assert world.written == ["01/bad.pdf", "02/bad.pdf"]
    assert [found.failed for found in report.by_source.values()] == [1, 1, 0]


def test_failures_count_as_a_fraction_of_all_listed_objects(world):
    for number in range(4):  # 4 of 16 under their source, of 40 in all
        world.stub.put(f"pdfs/01/bad-{number}.pdf")
    assert world.run("--max-failed-fraction", "0.1", sources=SOURCES).failed == 4
    sentence, _ = world.stopped("--max-failed-fraction", "0.09", sources=SOURCES)
    assert "4 of 40 objects failed" in sentence


def test_a_migration_does_not_switch_when_one_source_of_several_is_empty(world):
    world.delete(*NAMES[:12])
    sentence, _ = world.stopped("--migrate", model="another", sources=SOURCES)
    assert sentence.startswith(f"12 of the 12 objects that the ledger knows under {SOURCES[0]} are missing")
    assert len(world.rows()) == 36


def test_a_migration_that_keeps_objects_counts_those_that_left_its_own_ledger(world):
    world.run("--migrate", "--full-refresh", "--limit", "5", model="another", sources=SOURCES)
    world.delete(*NAMES[:12])
    _, report = world.stopped("--migrate", "--limit", "0", model="another", sources=SOURCES)
    assert (report.deleted, report.kept) == (5, 12)


def test_local_sources_become_absolute_for_a_run_elsewhere_and_the_others_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "papers").mkdir()
    argv = ["--source", "papers", "--limit=5", "--sour=s3://b/it's/", "--milvus-uri", "u", "--only-failed"]
    words, local = with_absolute_paths(argv, FlagParser("", RUN_FLAGS).parse_args(argv), RUN_FLAGS)
    kept = ["--limit=5", "--milvus-uri", "u", "--only-failed"]
    assert words == [*kept, f"--source={tmp_path}/papers", "--source=s3://b/it's/"]
    assert local == [f"{tmp_path}/papers"]


def test_a_source_for_a_run_elsewhere_may_be_a_uri_or_begin_with_a_tilde(tmp_path, monkeypatch):
    folder = tmp_path / "my papers"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    sources = [folder.as_uri(), "~/my papers", "/" + "x" * 5000]
    argv = [*(f"--source={source}" for source in sources), "--milvus-uri=u"]
    words, local = with_absolute_paths(argv, FlagParser("", RUN_FLAGS).parse_args(argv), RUN_FLAGS)
    assert words == ["--milvus-uri=u", f"--source={folder}", f"--source={folder}", f"--source={sources[2]}"]
    assert local == [str(folder)] * 2


def test_a_summary_has_the_state_of_each_source_and_no_line_for_each_difference(world):
    world.stub.put("pdfs/02/new.pdf")
    world.stub.put("pdfs/02/bad.pdf")
    for name in ("04/a.pdf", "04/b.pdf", "05/bad.pdf"):
        world.stub.put(f"pdfs/{name}")
    world.run("--max-failed-fraction", "1", sources=[f"{ROOT}05/"])
    world.delete("03/00.pdf")
    before = world.rows()
    world.said.clear()
    report = world.run("--summary", sources=[*SOURCES, *(f"{ROOT}{day}/" for day in ("04", "05", "06"))])
    assert {state: [source.removeprefix(ROOT) for source in found] for state, found in report.states.items()} == {
        "done": ["01/"], "behind": ["02/", "03/"], "never ingested": ["04/"], "failed": ["05/"], "empty": ["06/"],
    }  # fmt: skip
    failed = (
        f"failed         1 objects listed: 0 new, 0 changed, 1 unchanged (1 of them failed), 0 missing in {ROOT}05/"
    )
    assert failed in world.said
    assert "1 done, 2 behind, 1 never ingested, 1 failed, 1 empty" in world.said
    assert not [line for line in world.said if line.startswith("new ")]
    assert report.dry_run
    assert world.rows() == before


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        (Counts(), "empty"),
        (Counts(kept=3), "behind"),
        (Counts(listed=3, added=3), "never ingested"),
        (Counts(listed=3, added=3, deleted=1), "behind"),
        (Counts(listed=3, unchanged=2, changed=1), "behind"),
        (Counts(listed=3, unchanged=2, added=1, failed_before=1), "behind"),
        (Counts(listed=3, unchanged=3, failed_before=3), "failed"),
        (Counts(listed=3, unchanged=3), "done"),
    ],
)
def test_the_state_of_a_source_by_its_counts(counts, state):
    assert counts.state == state
