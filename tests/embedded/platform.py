"""The four parts as one: started together, ended together."""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

from embedded.airflow_standalone import AirflowStandalone
from embedded.milvus_lite import MilvusLite
from embedded.object_store import ObjectStore
from embedded.processes import Part
from embedded.ray_head import RayHead

Report = Callable[[Part, str], None]


class Platform:
    """Object store, Milvus Lite, Ray head and Airflow, wired to each other. Nothing runs before `start`.

    folder: receives data and logs, one folder per part; a short path keeps Ray's sockets in it.
    bucket: made in the object store at the start; `source_root` is its URI.
    report: called, from several threads, with a part and its news ("starting", "up").
    environment: of the Ray head and its jobs, beside the object store's.
    """

    def __init__(
        self,
        folder: Path,
        dags_folder: Path,
        plugins_folder: Path,
        bucket: str,
        report: Report = lambda part, event: None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.bucket = bucket
        self.source_root = f"s3://{bucket}"
        self._report = report
        self.object_store = ObjectStore(folder / "s3")
        self.milvus = MilvusLite(folder / "milvus")
        self.ray = RayHead(folder / "r", environment={**self.object_store.environment(), **(environment or {})})
        # A deferred task that is done waits for a slot before its result is taken, so there are more slots than jobs.
        self.airflow = AirflowStandalone(folder / "airflow", dags_folder, plugins_folder, pools={"ray": 4})

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.object_store, self.milvus, self.ray, self.airflow)

    def start(self, then: Callable[[], None] = lambda: None) -> None:
        """Start every part at the same time and run `then` beside them, as soon as the bucket exists.

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
        self._report(part, "starting")
        part.start()
        self._report(part, "up")

    def configure(self, variables: Mapping[str, str]) -> None:
        """Tell Airflow of this site, where its UI shows it: the connections to Ray and to Milvus, and Variables.

        variables: those of `ingest_*` that do not follow from the parts, such as `ingest_embedding_model`.
        """
        ray = {"connection_id": "ray_default", "conn_type": "ray", "host": self.ray.dashboard_url}
        self.airflow.api("POST", "/connections", {**ray, "password": self.ray.auth_token})
        milvus = {"connection_id": "milvus_default", "conn_type": "milvus", "host": self.milvus.uri}
        self.airflow.api("POST", "/connections", milvus)
        site = {"ingest_source_root": self.source_root, **variables}
        for key, value in site.items():
            self.airflow.api("POST", "/variables", {"key": key, "value": value})

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
