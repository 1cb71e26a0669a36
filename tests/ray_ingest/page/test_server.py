"""The page on a Milvus server, as a user who may only read."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from embedded.milvus_server import TOKEN, only_one
from embedded.milvus_server import MilvusServer as EmbeddedServer
from embedded.processes import poll
from ingest.common.failures import Failure
from ingest.milvus.schema import ensure_sources
from page_api import DIMENSION, entry
from ray_ingest.milvus import MilvusServer
from ray_ingest.page.failures import failure_groups
from ray_ingest.page.filters import written
from ray_ingest.page.ledger import Objects
from ray_ingest.page.milvus_client import MilvusClient, MilvusError
from ray_ingest.page.objects import list_objects, one_object
from ray_ingest.page.overview import RunsInProgress, overview
from ray_ingest.page.target import Target

pytestmark = pytest.mark.nightly

PASSWORD = "the-reader-of-the-test"
PRIVILEGES = (
    ("Global", "ShowCollections", "*"), ("Global", "DescribeCollection", "*"),
    ("Collection", "Query", "*"), ("Collection", "Search", "*"), ("Collection", "Load", "*"),
)  # fmt: skip
"""Those that plugins/ray_ingest/README.md names."""


@pytest.fixture(scope="module")
def milvus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with only_one(), EmbeddedServer(tmp_path_factory.mktemp("milvus-server")) as running:
        yield running


@pytest.fixture(scope="module")
def ledger(milvus_server: Any) -> Iterator[str]:
    """The prefix of a ledger that `reader` may read."""
    from pymilvus import MilvusClient as Client

    client = Client(milvus_server.uri, token=TOKEN)
    prefix = f"p{uuid.uuid4().hex}_"
    ensure_sources(client, f"{prefix}sources", DIMENSION)
    client.upsert(
        f"{prefix}sources",
        [
            *(entry(f"s3://b/pdfs/{number:02}.pdf", owner={"number": number}) for number in range(20)),
            entry("s3://b/pdfs/locked.pdf", failure=Failure.ENCRYPTED, message="locked"),
        ],
    )
    client.create_user("reader", PASSWORD)
    client.create_role("reading")
    for kind, privilege, name in PRIVILEGES:
        client.grant_privilege("reading", kind, privilege, name)
    client.grant_role("reader", "reading")
    yield prefix
    client.revoke_role("reader", "reading")
    for kind, privilege, name in PRIVILEGES:
        client.revoke_privilege("reading", kind, privilege, name)
    client.drop_role("reading")
    client.drop_user("reader")
    client.drop_collection(f"{prefix}sources")
    client.close()


def reader(milvus_server: Any, ledger: str, password: str = PASSWORD) -> MilvusClient:
    return MilvusClient(
        lambda: Target(MilvusServer(milvus_server.uri, token=f"reader:{password}"), ledger, seconds=60.0)
    )


def test_a_user_who_may_only_read_sees_the_page(milvus_server: Any, ledger: str) -> None:
    async def look() -> tuple[dict[str, Any], ...]:
        client = reader(milvus_server, ledger)
        return (
            await overview(client, RunsInProgress()),
            await failure_groups(client, Objects()),
            await list_objects(client, Objects(prefix="s3://b/pdfs/0"), "", 100),
            await one_object(client, "s3://b/pdfs/locked.pdf") or {},
            await list_objects(client, Objects(conditions=written(["number>=8", "number<11", "number!=9"])), "", 100),
        )

    def seen() -> tuple[dict[str, Any], ...] | None:
        found = asyncio.run(look())
        return found if found[0]["pipelines"][0]["objects"]["ok"] else None

    # The page may see what was written some seconds ago.
    state, failed, listed, locked, chosen = poll(seen, 60, "the page sees no object", interval=1)
    assert state["pipelines"][0]["objects"] == {"ok": 20, "failed": 1, "empty": 0}
    assert [group["error_type"] for group in failed["groups"]] == ["Encrypted"]
    assert [row["source"] for row in listed["objects"]] == [f"s3://b/pdfs/{number:02}.pdf" for number in range(10)]
    assert locked["is_permanent"]
    assert [row["source"] for row in chosen["objects"]] == ["s3://b/pdfs/08.pdf", "s3://b/pdfs/10.pdf"]


def test_a_wrong_password_gets_a_sentence(milvus_server: Any, ledger: str) -> None:
    with pytest.raises(MilvusError, match=r"refuses the token|cannot be reached"):  # 2.3 does not answer to it
        asyncio.run(reader(milvus_server, ledger, "wrong").names())
