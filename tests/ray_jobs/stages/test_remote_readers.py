"""Page ranges are read on the other nodes of a cluster: two raylets on this machine, which share its slots."""

import sys
from functools import partial
from pathlib import Path

import pytest

from embedded.ray_head import LOOPBACK_ONLY, NO_UV_HOOK
from ingest.common.errors import JobError
from ingest.common.limits import Limits
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import DocumentSettings, prepare_documents, read_document
from ingest.pdf.shared_document import begin_document, finish_document, read_pages
from ingest.stages import shared_ranges
from ingest.stages.remote_readers import RemoteReaders
from ingest.stages.shared_ranges import read_remaining, reader_slots
from long_pdf import Every, long_pdf, tokenizer_json

SETTINGS = DocumentSettings(ChunkSettings(60, 0), 100, ocr=False)


@pytest.fixture
def cluster(monkeypatch):
    """A cluster of a node with 2 and one with 3 CPUs, to which this process is connected."""
    import ray
    from ray.cluster_utils import Cluster

    root = Path(__file__).parents[3]
    for name, value in {**LOOPBACK_ONLY, **NO_UV_HOOK, "PYTHONPATH": f"{root / 'ray_jobs'}:{root / 'tests'}"}.items():
        monkeypatch.setenv(name, value)
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": 1 << 28})
    try:
        found.other = found.add_node(num_cpus=3, object_store_memory=1 << 28)
        ray.init(address=found.address, log_to_driver=False)
        found.wait_for_nodes()
        yield found
    finally:
        ray.shutdown()
        found.shutdown()


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="Ray runs several nodes on one machine on Linux alone")
def test_another_node_reads_ranges_until_it_is_lost(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_ranges, "SHARED_SECONDS", 1e-6)
    monkeypatch.setattr(shared_ranges, "LEAST_SECONDS", 1e-6)
    prepare_documents(tokenizer_json())
    data = long_pdf()
    path = tmp_path / "long.pdf"
    path.write_bytes(data)
    here, elsewhere = reader_slots()
    assert (here, sorted(elsewhere.values())) == (2, [3])
    begun = begin_document(data, SETTINGS, Every(1))
    remote = RemoteReaders(data, SETTINGS, Limits(seconds=60), elsewhere)
    (reader,) = remote(1)
    with reader as read:
        count, pages = read(begun.range(2, 5))
    assert count == 4
    first = [begun.found, pages]
    (reader,) = remote(1)
    cluster.remove_node(cluster.other)
    with reader as read, pytest.raises(JobError):
        read(begun.range(6, 15))
    begun = type(begun)(b"", 5, begun.count, begun.unit_seconds, begun.right, begun.segments)
    rest = read_remaining(begun, partial(read_pages, str(path), settings=SETTINGS), remote)
    assert finish_document(str(path), [*first, *rest[1:]], SETTINGS) == read_document(data, SETTINGS)
