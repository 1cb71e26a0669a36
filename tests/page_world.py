"""A platform for the page alone: Airflow with the project's Dags, and a Milvus Lite server with some weeks of objects.

No Ray runs, and no job: a ledger and rows are written as runs would have left them.
"""

import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_ray.job_ids import Attempt, start_text
from embedded.airflow_standalone import AirflowStandalone
from embedded.http import request_json
from embedded.milvus_lite import MilvusLite
from ingest.common.failures import Failure
from ingest.ledger.alias import ensure_ledger
from ingest.milvus.schema import COLLECTIONS, ensure_leases, ensure_rows
from page_api import DIMENSION, chunk, entry

REPOSITORY = Path(__file__).resolve().parents[1]
ROOT = "s3://library"
PASSWORDS = {"admin": "admin-of-the-test", "viewer": "viewer-of-the-test"}

_TEXTS = (
    "The algae bloom. In March a red algae bloom reached the intake. Silt density rose to 6.2, and the membranes of "
    "the desalination plant had to be cleaned twice a week until the end of April.",
    "Pump maintenance. Replace the valves of the feed pump before winter, and check the seals of each valve for wear. "
    "A valve that drips has lost its seat.",
    "Honey harvest. The honey is taken from the hives at the end of July, when two thirds of the combs are sealed.",
    "海水淡化厂的红藻。三月，红藻到达了取水口，膜必须每周清洗两次。",
)
PLACE = {"page": [595.3, 841.9], "boxes": [[72.0, 410.2, 523.3, 452.8], [72.0, 453.0, 304.1, 466.9]]}
"""Where the passages stand on their pages: the last line of three is shorter."""

_FAILURES = (
    (Failure.ENCRYPTED, "is encrypted", 3),
    (Failure.DAMAGED, "ends in the middle of its page tree", 3),
    (Failure.FORBIDDEN, "may not be read (AccessDenied)", 1),
    (Failure.TIME_LIMIT, "took longer than 600 s to parse", 2),
)
_NAMES = ("desalination-report", "pump-manual", "beekeeping", "board-minutes", "site-survey", "tender")


def days_back(number: int) -> str:
    """The day so many days ago, in UTC."""
    return (datetime.now(UTC).date() - timedelta(days=number)).isoformat()


def fill(client: Any, days: int = 40, gap: tuple[int, int] = (9, 11)) -> None:
    """Objects of the last days, none of those from ``gap[0]`` to ``gap[1]`` days ago."""
    chance = random.Random(7)
    ensure_ledger(client, "sources", DIMENSION)
    ensure_leases(client, "leases")
    for collections in COLLECTIONS.values():
        for name in collections:
            model = "BAAI/bge-m3" if name in ("documents", "video_segments") else "ViT-B-32 laion2b_s34b_b79k"
            ensure_rows(client, name, f"{name}_00000000", DIMENSION, model=model)
            client.create_alias(f"{name}_00000000", name)
    ledger, documents, images = [], [], []
    for back in range(1, days):
        if gap[0] <= back <= gap[1]:
            continue
        for number, name in enumerate(_NAMES * 2):
            source = f"{ROOT}/pdfs/{days_back(back)}/{name}-{number:02}.pdf"
            direction = tuple(chance.random() for _ in range(DIMENSION))
            hours = back * 24.0 - 20
            if back in (1, 5, 6, 20) and number % 4 == 1:
                failure, says, attempts = _FAILURES[(number // 4 + back) % len(_FAILURES)]
                message = f"{source.rpartition('/')[2]} {says}"
                ledger.append(
                    entry(source, rows=0, failure=failure, message=message, attempts=attempts, hours_ago=hours)
                )
                continue
            texts = chance.sample(_TEXTS, 2)
            metadata = {"place": PLACE} if number % 4 else None  # some rows are older than places
            documents += [chunk(source, at, text, metadata) for at, text in enumerate(texts)]
            ledger.append(entry(source, rows=len(texts), vector=direction, hours_ago=hours))
        if back % 3:
            source = f"{ROOT}/images/{days_back(back)}/photo.jpg"
            ledger.append(entry(source, "images", hours_ago=back * 24.0 - 19))
            images.append(image(source))
    film = f"{ROOT}/videos/{days_back(1)}/lecture.mp4"
    ledger.append(entry(film, "videos", hours_ago=2))
    client.upsert("sources", ledger)
    client.upsert("documents", documents)
    client.upsert("images", images)
    spoken = chunk(film, 0, "and now the beekeeper opens the valve of the honey tank", start=51.0, end=69.0)
    client.upsert("video_segments", [{**spoken, "metadata": {"owner": {"tenant": "acme", "year": 2026}}}])


def image(source: str) -> dict[str, Any]:
    """A row of the collection ``images``."""
    row = chunk(source, 0, "", width=1200, height=800)
    del row["text"]
    return row


class PageWorld:
    """The parts, running, and what a person needs to sign in."""

    def __init__(self, folder: Path) -> None:
        self.milvus = MilvusLite(folder / "milvus")
        self.tried = f"{ROOT}/pdfs/{days_back(4)}/site-plan.pdf"
        environment = {
            "AIRFLOW_CONN_MILVUS_DEFAULT": json.dumps(
                {"conn_type": "milvus", "host": self.milvus.uri, "extra": {"page_seconds": 20}}
            ),
            "AIRFLOW_VAR_INGEST_SOURCE_ROOT": ROOT,
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer",
        }
        self.airflow = AirflowStandalone(folder / "airflow", REPOSITORY / "dags", REPOSITORY / "plugins", environment)
        self.airflow.url += "/site"  # as behind a proxy that serves it below a path
        self.airflow.folder.mkdir(parents=True)
        (self.airflow.folder / "passwords.json").write_text(json.dumps(PASSWORDS))

    def start(self) -> Iterator["PageWorld"]:
        """The parts run until the generator goes on."""
        from pymilvus import MilvusClient

        with self.milvus, self.airflow:
            client = MilvusClient(self.milvus.uri)
            fill(client)
            client.close()
            for dag_id in ("retry_failed", "ingest_pdfs"):
                self.airflow.wait_dag(dag_id)
            yield self

    def token(self, user: str) -> str:
        """What the UI keeps in its cookie."""
        body = {"username": user, "password": PASSWORDS[user]}
        return str(request_json("POST", f"{self.airflow.url}/auth/token", body)["access_token"])

    def knows_service(self) -> bool:
        """Whether the page has seen the connection to a search service, which it looks for every few seconds."""
        headers = {"Authorization": f"Bearer {self.token('admin')}"}
        return bool(request_json("GET", f"{self.airflow.url}/ray-ingest/permissions", headers=headers)["meaning"])

    def run_of_day(self, back: int, state: str) -> str:
        """A run of the day so many days ago that has ended in this state; the Dag is paused, so that nothing runs."""
        run = self.airflow.trigger("ingest_pdfs", partition_key=days_back(back))
        if state != "queued":
            self.airflow.api("PATCH", f"/dags/ingest_pdfs/dagRuns/{run['dag_run_id']}", {"state": state})
        return str(run["dag_run_id"])

    def know(self, sources: Iterable[str], owner: dict[str, Any]) -> None:
        """Write ledger entries of objects with what their owner says."""
        self._write([entry(source, owner=owner) for source in sources])

    def try_object(self, run_id: str) -> None:
        """Let a run have tried the object ``tried`` twice in vain, and then somebody by hand with success."""
        from airflow.models.dagrun import DagRun
        from sqlalchemy import create_engine, update

        started = datetime.now(UTC) - timedelta(hours=40)
        engine = create_engine(self.airflow.database.url)
        with engine.begin() as connection:  # as the scheduler does that starts a run
            connection.execute(update(DagRun).where(DagRun.run_id == run_id).values(start_date=started))
        engine.dispose()
        row = None
        for number, (hours, seconds) in enumerate(((39, 600), (37, 900)), 1):
            job = Attempt("ingest_pdfs", run_id, "ingest", -1, 0, number, run_started=start_text(started)).submission_id
            row = entry(
                self.tried, failure=Failure.TIME_LIMIT, message=f"site-plan.pdf took longer than {seconds} s to parse",
                attempts=number, rows=0, run_id=job, hours_ago=hours, before=row,
            )  # fmt: skip
        done = entry(
            self.tried, attempts=3, run_id="manual-3f1c0a9be271", hours_ago=3, before=row, owner={"tenant": "globex"}
        )
        self._write([done], [chunk(self.tried, 0, "The site plan shows the intake, the ponds and the store.")])

    def _write(self, entries: list[dict[str, Any]], rows: list[dict[str, Any]] | None = None) -> None:
        from pymilvus import MilvusClient

        client = MilvusClient(self.milvus.uri)
        client.upsert("sources", entries)
        if rows:
            client.upsert("documents", rows)
        client.close()
