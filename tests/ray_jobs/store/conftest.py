"""The store that most tests of this folder talk to."""

import pytest

from embedded.s3_stub import S3Stub
from ingest.store.probe import probe_of


@pytest.fixture
def stub(s3_stub: S3Stub) -> S3Stub:
    """A store with three good objects."""
    s3_stub.reset()
    probe_of.cache_clear()
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        s3_stub.put(f"day/{name}", name.encode() * 100)
    return s3_stub
