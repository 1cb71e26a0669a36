"""Collections that are partitioned by a value of the owner: a flag makes them so, and nothing changes them later."""

import uuid

import pytest

import partition_cases
from ingest.common.errors import ConfigurationError
from ingest.milvus.filters import expression, written
from ingest.milvus.partition_key import partition_key_of
from ingest.milvus.schema import DOCUMENTS, ensure_rows
from ingest.run.flags import FlagParser
from ingest.run.options import RUN_FLAGS


@pytest.fixture
def make(milvus_client):
    """Makes a collection with a partition key, or again with another one."""
    made = set()

    def make(name, *keys):
        made.add(name)
        for key in keys:
            ensure_rows(milvus_client, DOCUMENTS, name, 4, model="m", partition_key=key)
        return partition_key_of(milvus_client, name)

    yield make
    for name in made:
        milvus_client.drop_collection(name)


def new_name():
    return f"partition_key_{uuid.uuid4().hex}"


def test_rows_are_in_the_partition_of_their_owners_value_and_change_it_with_that(milvus_client):
    partition_cases.check(milvus_client)


def test_a_collection_keeps_its_partition_key_whether_a_run_gives_it_or_not(make):
    assert make(new_name(), "tenant", "", "tenant") == "tenant"
    assert make(new_name(), "", "") == ""
    assert make(f"never_{new_name()}") == ""


@pytest.mark.parametrize(
    ("first", "then", "sentence"),
    [
        ("", "tenant", "was made without a partition key, which no run can change: leave out --partition-key tenant"),
        ("tenant", "team", "is partitioned by 'tenant', which no run can change: leave out --partition-key team"),
    ],
)
def test_another_partition_key_is_refused(make, first, then, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        make(new_name(), first, then)


def test_a_bad_name_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        FlagParser("", RUN_FLAGS).parse_args(["--source", "s", "--milvus-uri", "http://h:1", "--partition-key", 'a"b'])
    assert caught.value.code == 2
    assert "is no name of a value" in capsys.readouterr().err


def test_a_whole_day_is_no_partition():
    partitioned = expression(written(["day=2026-01-31"]), "documents", "day")
    assert partitioned == expression(written(["day=2026-01-31"]), "documents")
    assert 'partition == "acme"' in expression(written(["tenant=acme"]), "documents", "tenant")
