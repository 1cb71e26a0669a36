"""A Milvus that restarts is named while it is away, and searched when it is back, with the models still in memory."""

import pytest

from embedded.milvus_lite import MilvusLite
from embedded.processes import poll
from generations_of_pages import Pages
from ingest.milvus.client import connect
from ingest.search.query import Asking, SearchMode
from ingest.service.bodies import Question
from ingest.service.refused import RefusedError
from ingest.service.searching import SearchService
from ingest.service.settings import ServiceSettings

pytestmark = pytest.mark.nightly

ASK = Question("which model?", b"", (), 5, SearchMode.DENSE, False)


def test_a_restarted_milvus_is_searched_again(minilm_path, tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.service.searching.LOOK_SECONDS", 3600)
    short = Asking(seconds=1.0)
    monkeypatch.setattr("ingest.service.searching.ASKING", short)
    monkeypatch.setattr("ingest.service.catalogue.ASKING", short)
    loaded = []
    with MilvusLite(tmp_path / "milvus") as milvus:
        pages = Pages(connect(milvus.uri), minilm_path, tmp_path)
        pages.make(0)

        def load(model):
            loaded.append(model)
            return pages.load(model)

        service = SearchService(ServiceSettings(milvus.uri, pages.prefix), load)
        try:
            assert len(service.search(ASK)["hits"]) == 1
            milvus.kill()
            with pytest.raises(RefusedError, match=r"Milvus at .* cannot be reached") as caught:
                service.search(ASK)
            assert (caught.value.status, caught.value.again_seconds) == (503, 5)
            service._look()
            assert not service.state()["ready"]
            milvus.start()
            poll(lambda: service._look() or service.state()["ready"], 60, "the connection is not made anew")
            assert len(service.search(ASK)["hits"]) == 1
            assert len(loaded) == 1
        finally:
            service.close()
