"""The four parts as one: started together, ended together."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from embedded.airflow_standalone import AirflowStandalone
from embedded.milvus_lite import MilvusLite
from embedded.object_store import ObjectStore
from embedded.processes import Part
from embedded.ray_head import RayHead

Report = Callable[[Part, str], None]


def site_environment(ray: RayHead, source_root: str, milvus_uri: str, models: Mapping[str, str]) -> dict[str, str]:
    """What the project's Dags need to know of this site, as Airflow reads it from its environment.

    models: names or paths by role, for the Variables `ingest_<role>_model`: embedding, clip, whisper, caption.
    """
    connection = {"conn_type": "ray", "host": ray.dashboard_url, "password": ray.auth_token}
    return {
        "AIRFLOW_CONN_RAY_DEFAULT": json.dumps(connection),
        "AIRFLOW_VAR_INGEST_SOURCE_ROOT": source_root,
        "AIRFLOW_VAR_INGEST_MILVUS_URI": milvus_uri,
        **{f"AIRFLOW_VAR_INGEST_{role.upper()}_MODEL": model for role, model in models.items()},
    }


class Platform:
    """Object store, Milvus Lite, Ray head and Airflow, wired to each other. Nothing runs before `start`.

    folder: receives data and logs, one folder per part; a short path keeps Ray's sockets in it.
    bucket: made in the object store at the start; `source_root` is its URI.
    models: see `site_environment`.
    report: called, from several threads, with a part and what just happened to it ("is starting", "is up: 3.2 s").
    """

    def __init__(
        self,
        folder: Path,
        dags_folder: Path,
        plugins_folder: Path,
        bucket: str,
        models: Mapping[str, str],
        report: Report = lambda part, event: None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.bucket = bucket
        self.source_root = f"s3://{bucket}"
        self._report = report
        self.object_store = ObjectStore(folder / "s3")
        self.milvus = MilvusLite(folder / "milvus")
        self.ray = RayHead(folder / "r", environment={**self.object_store.environment(), **(environment or {})})
        self.airflow = AirflowStandalone(
            folder / "airflow",
            dags_folder,
            plugins_folder,
            environment=site_environment(self.ray, self.source_root, self.milvus.uri, models),
            pools={"ray": 1},  # the head has two CPUs: two jobs' actors would take both, and starve their readers
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.object_store, self.milvus, self.ray, self.airflow)

    def start(self, then: Callable[[], None] = lambda: None) -> None:
        """Start every part at the same time and run `then`, as soon as the bucket exists, beside the others.

        Raises the first part's StartError after ending the rest; KeyboardInterrupt does the same.
        """

        def first() -> None:
            self._start(self.object_store)
            self.object_store.bucket(self.bucket)
            then()

        pool = ThreadPoolExecutor(len(self.parts))
        futures: list[Future[None]] = []
        try:
            futures.append(pool.submit(first))
            futures += [pool.submit(self._start, part) for part in self.parts[1:]]
            pending = set(futures)
            while pending:
                # A wait without a timeout would not let Ctrl-C through on every platform.
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
        except BaseException:
            # Again each time: a part's thread may have been just before its launch.
            while wait(futures, timeout=0.2).not_done:
                self.kill()
            self.kill()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _start(self, part: Part) -> None:
        began = time.monotonic()
        self._report(part, "is starting")
        part.start()
        self._report(part, f"is up: {time.monotonic() - began:.1f} s")

    def stop(self) -> None:
        """End every part in an orderly way, all at once; returns when no process is left."""
        self._end(Part.stop)

    def kill(self) -> None:
        """SIGKILL every process of every part."""
        self._end(Part.kill)

    def _end(self, how: Callable[[Part], None]) -> None:
        with ThreadPoolExecutor(len(self.parts)) as pool:
            for future in [pool.submit(how, part) for part in self.parts]:
                future.result()

    def members(self) -> Iterator[psutil.Process]:
        """Every process of the platform that lives."""
        for part in self.parts:
            yield from part.members()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
