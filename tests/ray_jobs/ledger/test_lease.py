"""Leases on a real Milvus Lite server, between threads and between processes that are killed and paused."""

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections import Counter
from pathlib import Path

import pytest

from embedded.processes import base_environment, poll
from ingest.ledger.lease import LeaseLostError, joint, lease, overlap

HOLDER = """
import sys
from ingest.ledger.lease import lease
from ingest.milvus.client import connect
uri, prefix, source, seconds = sys.argv[1:]
client = connect(uri)
with lease(client, prefix, "pdfs", source, "other-run", print, float(seconds)) as held:
    print("held", flush=True)
    sys.stdin.readline()
    try:
        held.assert_held(client)
        print("mine", flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
"""


@pytest.fixture
def prefix():
    return f"lease_{uuid.uuid4().hex[:8]}_"


@pytest.fixture
def holder(milvus, prefix):
    """Starts processes that hold a lease until they are told to go on; ends them all."""
    processes = []

    def start(source, seconds=60):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, milvus.uri, prefix, source, str(seconds)],
            env={**base_environment(), "PYTHONPATH": str(Path(__file__).parents[3] / "ray_jobs")},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def take(client, prefix, source, said=None, seconds=60.0, pipeline="pdfs"):
    return lease(client, prefix, pipeline, source, "this-run", ([] if said is None else said).append, seconds)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("s3://b/pdfs/", "s3://b/pdfs/2026-01-01/", True),
        ("s3://b/pdfs/2026-01-01/", "s3://b/pdfs/", True),
        ("s3://b/a", "s3://b/a", True),
        ("", "s3://b/", True),
        ("s3://b/pdfs/2026-01-01/", "s3://b/pdfs/2026-01-02/", False),
        (joint(["s3://b/1/", "s3://b/2/"]), joint(["s3://b/2/", "s3://b/3/"]), True),
        (joint(["s3://b/1/", "s3://b/2/"]), joint(["s3://b/3/", "s3://b/4/"]), False),
        (joint(["s3://b/1/", "s3://b/2/"]), "s3://b/", True),
        (joint(["s3://b/1/", "s3://b/2/"]), "", True),
        ("s3://b/a\nb/", "s3://b/a\nb/c/", True),
        (joint([f"s3://b/{number:0500}/" for number in range(10)]), f"s3://b/{7:0500}/", True),
        (joint([f"s3://b/{number:0500}/" for number in range(10)]), "s3://c/", False),
    ],
)
def test_prefixes_overlap_when_an_object_can_be_under_both(one, other, expected):
    assert overlap(one, other) is expected


def at_once(run, count):
    """Call `run(number)` in as many threads."""
    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)


def test_runs_over_the_same_objects_go_one_at_a_time(milvus_client, prefix):
    inside, most, turns = 0, 0, []
    guard = threading.Lock()

    def run(number):
        nonlocal inside, most
        for _ in range(2):
            with take(milvus_client, prefix, "s3://b/pdfs/"):
                with guard:
                    inside += 1
                    most = max(most, inside)
                milvus_client.list_collections()  # lets the others run
                with guard:
                    inside -= 1
                    turns.append(number)

    at_once(run, 3)
    assert (most, len(turns)) == (1, 6)


def test_runs_that_overlap_partly_each_take_their_turn(milvus_client, prefix):
    days = [f"s3://b/{number}/" for number in range(4)]
    held, ended, clashes, guard = Counter(), [], [], threading.Lock()

    def run(first):
        for _ in range(2):
            mine = [days[first], days[(first + 1) % 4]]  # a ring: each overlaps with the one before and after it
            with take(milvus_client, prefix, joint(mine)):
                with guard:
                    held.update(mine)
                    clashes.extend(day for day in mine if held[day] > 1)
                milvus_client.list_collections()  # lets the others run
                with guard:
                    held.subtract(mine)
                    ended.append(first)

    at_once(run, 4)
    assert (clashes, len(ended)) == ([], 8)


def test_a_run_does_not_wait_for_other_prefixes_and_other_pipelines(holder, milvus_client, prefix):
    holder("s3://b/pdfs/2026-01-01/")
    with take(milvus_client, prefix, "s3://b/pdfs/2026-01-02/"), take(milvus_client, prefix, "s3://b/", pipeline="x"):
        pass


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("s3://b/pdfs/", "'s3://b/pdfs/'"),
        ("", "everything"),
        (joint(["s3://b/x/", "s3://b/pdfs/2026-01-01/"]), "'s3://b/x/' and 1 more"),
    ],
)
def test_a_waiting_run_names_the_holder_and_continues_when_the_holder_ends(
    holder, milvus_client, prefix, source, shown
):
    process, said, entered = holder(source), [], threading.Event()

    def wait():
        with take(milvus_client, prefix, "s3://b/pdfs/2026-01-01/", said):
            entered.set()

    thread = threading.Thread(target=wait)
    thread.start()
    poll(lambda: said, 30, "the waiting run says so")
    assert not entered.is_set()
    assert f"'other-run' over {shown}" in said[0]
    process.stdin.write("\n")
    process.stdin.flush()
    thread.join(60)
    assert entered.is_set()
    assert process.stdout.readline() == "mine\n"


def test_a_waiting_run_repeats_its_message(holder, milvus_client, prefix, monkeypatch):
    monkeypatch.setattr("ingest.ledger.lease.NOTICE_SECONDS", 0.1)
    process, said = holder("s3://b/pdfs/"), []

    def wait():
        with take(milvus_client, prefix, "s3://b/pdfs/", said):
            pass

    thread = threading.Thread(target=wait)
    thread.start()
    poll(lambda: len(said) >= 3, 30, "the waiting run says so three times")
    process.stdin.write("\n")
    process.stdin.flush()
    thread.join(60)
    assert all("waiting for a run that works on the same objects: 'other-run'" in line for line in said)


def test_a_killed_holder_is_taken_for_dead(holder, milvus_client, prefix):
    process = holder("s3://b/pdfs/", seconds=3)
    process.kill()
    with take(milvus_client, prefix, "s3://b/pdfs/", seconds=3) as held:
        held.assert_held(milvus_client)
        rows = milvus_client.query(f"{prefix}leases", filter='id != ""', limit=10, consistency_level="Strong")
        assert [row["id"] for row in rows] == [held.id]


@pytest.mark.nightly
def test_a_run_waits_for_a_live_holder_longer_than_the_lease_lasts(holder, milvus_client, prefix):
    process, entered = holder("s3://b/pdfs/", seconds=3), threading.Event()

    def wait():
        with take(milvus_client, prefix, "s3://b/pdfs/", seconds=3):
            entered.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not entered.wait(8)  # longer than two leases: only renewals keep it
    process.stdin.write("\n")
    process.stdin.flush()
    thread.join(60)
    assert entered.is_set()


def test_a_holder_that_was_paused_notices_that_it_lost_its_lease(holder, milvus_client, prefix):
    process = holder("s3://b/pdfs/", seconds=3)
    os.kill(process.pid, signal.SIGSTOP)
    with take(milvus_client, prefix, "s3://b/pdfs/", seconds=3) as held:
        os.kill(process.pid, signal.SIGCONT)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "LeaseLostError\n"
        held.assert_held(milvus_client)


def test_a_lease_that_ended_is_not_held(milvus_client, prefix):
    with take(milvus_client, prefix, "s3://b/") as held:
        held.assert_held(milvus_client)
    with pytest.raises(LeaseLostError, match="took it for dead"):
        held.assert_held(milvus_client)
