"""The HTTP API of the page, which Airflow's API server mounts, and the files of the page itself.

Its lifespan does nothing at the start, since a failure there would keep the API server from starting.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from starlette.staticfiles import StaticFiles

from ray_ingest.page.access import CONTENTS, PAGE, Permissions, SeenRuns
from ray_ingest.page.cache import Answers
from ray_ingest.page.dag_runs import find_runs
from ray_ingest.page.days import days_of_month
from ray_ingest.page.failures import failure_groups
from ray_ingest.page.filters import MAX_CONDITIONS, Filter, written
from ray_ingest.page.ledger import Objects, check_conditions
from ray_ingest.page.milvus_client import MilvusClient, MilvusError, TooLongError
from ray_ingest.page.objects import list_objects, one_object, rows_of, similar_objects
from ray_ingest.page.overview import RunsInProgress, overview
from ray_ingest.page.owners import add_owners
from ray_ingest.page.service import ServiceClient, ServiceError
from ray_ingest.page.words import search_words

STATIC = Path(__file__).parent / "static"

LIVE_SECONDS = 3.0
SECONDS = 20.0

Text = Annotated[str, Query(max_length=4352)]
Pipeline = Literal["", "pdfs", "images", "videos"]
Hours = Annotated[int, Query(ge=0, le=100_000)]
"""Of objects whose last try was within the last hours; 0: at any time."""

STEP = 300_000
"""Milliseconds: a beginning in the past is rounded to them, so that requests share their answer."""


Question = Annotated[str, Query(min_length=1, max_length=1000)]
Conditions = Annotated[list[str] | None, Query(max_length=MAX_CONDITIONS)]

log = logging.getLogger(__name__)


def create_app(
    client: MilvusClient, version: str, answers: Answers | None = None, services: ServiceClient | None = None
) -> FastAPI:
    """The app.

    :param version: a part of the address of the files, which changes with them: browsers keep them.
    :param services: asks the search service; by default that of Airflow's connection.
    """
    kept, runs, by_meaning = answers or Answers(), RunsInProgress(), services or ServiceClient()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        for each in (client, by_meaning):
            try:
                await each.close()
            except Exception:
                log.info("A connection of the page was not closed.", exc_info=True)

    app = FastAPI(title="Ray ingest", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.mount(f"/static/{version}", StaticFiles(directory=STATIC), name="static")

    @app.exception_handler(MilvusError)
    async def no_answer(request: Request, error: MilvusError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 504 if isinstance(error, TooLongError) else 503)

    @app.exception_handler(ServiceError)
    async def no_service(request: Request, error: ServiceError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503)

    async def answer(key: tuple[Any, ...], make: Callable[[], Awaitable[Any]], seconds: float = SECONDS) -> Any:
        target = await client.target()  # another one has other answers
        return await kept.get((target, *key), make, seconds)

    @app.get("/overview", dependencies=PAGE)
    async def get_overview() -> dict[str, Any]:
        return dict(await answer(("overview",), lambda: overview(client, runs), LIVE_SECONDS))

    @app.get("/permissions", dependencies=PAGE)
    async def get_permissions(may: Permissions) -> dict[str, Any]:
        return {**may, "meaning": await by_meaning.is_there()}

    @app.get("/failures", dependencies=PAGE)
    async def get_failures(pipeline: Pipeline = "", prefix: Text = "", hours: Hours = 0) -> dict[str, Any]:
        chosen = Objects(pipeline=pipeline, prefix=prefix, since=_since(hours))
        return dict(await answer(("failures", chosen), lambda: failure_groups(client, chosen)))

    @app.get("/days", dependencies=PAGE)
    async def get_days(
        pipeline: Literal["pdfs", "images", "videos"],
        year: Annotated[int, Query(ge=1970, le=9999)],
        month: Annotated[int, Query(ge=1, le=12)],
    ) -> dict[str, Any]:
        key = ("days", pipeline, year, month)
        return dict(await answer(key, lambda: days_of_month(client, pipeline, year, month)))

    @app.get("/objects", dependencies=PAGE)
    async def get_objects(
        pipeline: Pipeline = "",
        status: Literal["", "ok", "failed"] = "",
        stage: Text = "",
        error_type: Text = "",
        prefix: Text = "",
        name: Text = "",
        hours: Hours = 0,
        after: Text = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        condition: Conditions = None,
    ) -> dict[str, Any]:
        conditions = _filter(condition, of_objects=True)
        chosen = Objects(pipeline, status, stage, error_type, prefix, name, _since(hours), conditions)
        return await list_objects(client, chosen, after, limit)

    @app.get("/object", dependencies=PAGE)
    async def get_object(source: Text, may_see: SeenRuns) -> dict[str, Any]:
        found = await one_object(client, source)
        if found is None:
            raise HTTPException(404, "The ledger has no such object: no run has seen it, or it has left the store.")
        jobs = {each["run_id"]: each["updated_at"] for each in found["tries"]}
        return {**found, "runs": await asyncio.to_thread(_runs, jobs, may_see)}

    @app.get("/object/rows", dependencies=CONTENTS)
    async def get_rows(
        source: Text,
        collection: Literal["documents", "images", "video_segments", "video_frames"],
        first: Annotated[int, Query(ge=0)] = 0,
    ) -> dict[str, Any]:
        return await rows_of(client, source, collection, first)

    @app.get("/object/similar", dependencies=PAGE)
    async def get_similar(source: Text) -> list[dict[str, Any]]:
        return await similar_objects(client, source)

    @app.get("/search", dependencies=CONTENTS)
    async def get_search(
        question: Question,
        prefix: Text = "",
        limit: Annotated[int, Query(ge=1, le=50)] = 10,
        condition: Conditions = None,
    ) -> dict[str, Any]:
        found = await search_words(client, question, prefix, limit, _filter(condition))
        await add_owners(client, (hit for of_collection in found.values() for hit in of_collection["hits"]))
        return found

    @app.get("/search/meaning", dependencies=CONTENTS)
    async def get_meaning(
        question: Question,
        prefix: Text = "",
        limit: Annotated[int, Query(ge=1, le=20)] = 5,
        condition: Conditions = None,
    ) -> dict[str, Any]:
        if not question.strip():
            raise HTTPException(400, "Ask a question.")
        found = await by_meaning.search(question, limit, _filter(condition), prefix)
        try:
            await add_owners(client, (hit for of_kind in found["hits"].values() for hit in of_kind))
        except MilvusError as error:  # which the service reaches, or it would have no hits
            log.info("The hits come without the owners' values: %s", error)
        return found

    return app


def _runs(jobs: dict[str, int], may_see: Callable[[str], bool]) -> dict[str, dict[str, Any]]:
    """The runs of Ray jobs as far as Airflow's database tells them now."""
    try:
        return find_runs(jobs, may_see)
    except Exception:
        log.warning("The page cannot look for the runs of Ray jobs.", exc_info=True)
        return {}


def _filter(conditions: list[str] | None, of_objects: bool = False) -> Filter:
    try:
        found = written(conditions or ())
        return check_conditions(found) if of_objects else found
    except ValueError as error:
        raise HTTPException(400, f"The filter: {error}.") from None


def _since(hours: int) -> int:
    return int(time.time() * 1000 - hours * 3_600_000) // STEP * STEP if hours else 0
