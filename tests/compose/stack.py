"""The stack of docker-compose.yaml, as its README starts it, in a copy of the checkout and under a name of its own."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from compose.engine import BUILD_SECONDS, Docker
from deployment import ROOT, Deployment
from embedded.airflow_standalone import AirflowStandalone
from embedded.object_store import ObjectStore
from embedded.ports import free_ports
from embedded.processes import poll

UP_SECONDS = 900.0
README = ROOT / "dags" / "README.md"
RAY_IMAGE = "airflow-ray-ingest-ray:2.60.0"
SCRIPTS = "/opt/airflow-ray-ingest/ray_jobs"


class ComposeAirflow(AirflowStandalone):
    """The REST API of the stack's Airflow, as the tests of the Dags use that of their own; it starts nothing."""

    def __init__(self, folder: Path, port: int, username: str, password: str) -> None:
        super().__init__(folder, ROOT / "dags")
        self.url, self.username, self.password = f"http://127.0.0.1:{port}", username, password


class Stack:
    """The stack under a project name of its own.

    folder: receives the copy of the checkout.
    sizes: settings of .env beside the secrets, which are made as .env.example says, and the ports, which are free ones.
    """

    def __init__(self, docker: Docker, folder: Path, project: str, sizes: dict[str, str]) -> None:
        self.folder = folder
        self.project = project
        self._docker = docker
        _copy_checkout(folder)
        deployment = Deployment.of_the_repository()
        ports = [name for name in deployment.settings if name.endswith("_PORT")]
        numbers = dict(zip(ports, map(str, free_ports(len(ports))), strict=True))
        self.settings = {**deployment.settings, **_secrets(deployment), **numbers, **sizes}
        self._sizes = {**numbers, **sizes}
        port, user = int(self.settings["AIRFLOW_PORT"]), self.settings["AIRFLOW_ADMIN_USERNAME"]
        self.airflow = ComposeAirflow(folder / "airflow", port, user, self.settings["AIRFLOW_ADMIN_PASSWORD"])
        self.milvus_uri = f"http://127.0.0.1:{self.settings['MILVUS_PORT']}"
        self.milvus_token = f"root:{self.settings['MILVUS_ROOT_PASSWORD']}"
        self.ray_url = f"http://127.0.0.1:{self.settings['RAY_DASHBOARD_PORT']}"
        self.store = ObjectStore(
            folder / "s3", self.settings["S3_ACCESS_KEY_ID"], self.settings["S3_SECRET_ACCESS_KEY"]
        )
        self.store.endpoint_url = f"http://127.0.0.1:{self.settings['S3_PORT']}"

    def readme_lines(self) -> list[list[str]]:
        """The commands of README's section on docker compose, without their comments."""
        section = README.read_text().split("## On one server: docker compose", 1)[1].split("\n## ", 1)[0]
        (block,) = re.findall(r"```bash\n(.*?)```", section, re.S)[:1]
        return [shlex.split(line, comments=True) for line in block.splitlines() if line]

    def follow_readme(self, words: Sequence[str]) -> str:
        """One line of README; .env is filled in after it is made."""
        if words[0] == "cp":
            subprocess.run(words, cwd=self.folder, check=True)
            self.fill_in_settings()
            return ""
        assert words[:2] == ["docker", "compose"], words
        return self.compose(*words[2:], timeout=BUILD_SECONDS)

    def fill_in_settings(self) -> None:
        """Fill in the empty secrets, and change the sizes and ports, as somebody does with an editor."""
        file = self.folder / ".env"
        lines = []
        for line in file.read_text().splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                value = self._sizes.get(name, value or self.settings[name])
            lines.append(f"{name}{equals}{value}")
        file.write_text("\n".join(lines) + "\n")

    def compose(self, *words: str, timeout: float = UP_SECONDS, check: bool = True) -> str:
        """`docker compose` with these words, in the copy."""
        name = {"COMPOSE_PROJECT_NAME": self.project}
        return self._docker.run("compose", *words, timeout=timeout, cwd=self.folder, environment=name, check=check)

    def up(self, *words: str) -> None:
        """`docker compose up -d`, again if the head of Ray gave up once: on a busy host the engine starts it again."""
        try:
            self.compose("up", "-d", *words)
        except RuntimeError:
            self.wait_healthy("ray-head")
            self.compose("up", "-d", *words)

    def containers(self, service: str) -> list[str]:
        """The ids of the service's running containers."""
        return self.compose("ps", "--quiet", service).split()

    def inspect(self, container: str, template: str) -> str:
        return self._docker.run("inspect", "--format", template, container).strip()

    def crash(self, service: str) -> None:
        """Kill the service's first process, as the kernel does without memory: the engine starts it again."""
        (container, *_) = self.containers(service)
        restarts = int(self.inspect(container, "{{.RestartCount}}"))
        os.kill(int(self.inspect(container, "{{.State.Pid}}")), signal.SIGKILL)
        poll(
            lambda: int(self.inspect(container, "{{.RestartCount}}")) > restarts,
            120,
            f"the engine does not start {service} again",
            interval=0.5,
        )

    def wait_healthy(self, service: str, timeout: float = 300.0) -> None:
        """Wait until every container of the service is healthy. Raises TimeoutError with its log."""

        def healthy() -> bool:
            states = [self.inspect(each, "{{.State.Health.Status}}") for each in self.containers(service)]
            return bool(states) and set(states) == {"healthy"}

        try:
            poll(healthy, timeout, f"{service} is not healthy", interval=1)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.logs(service)[-4000:]}") from None

    def logs(self, *services: str, since: datetime | None = None) -> str:
        words = ["--since", since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")] if since else []
        return self.compose("logs", "--no-color", *words, *services)

    def ray(self, path: str) -> Any:
        """The answer of Ray's dashboard."""
        from embedded.http import request_json

        token = {"Authorization": f"Bearer {self.settings['RAY_AUTH_TOKEN']}"}
        return request_json("GET", f"{self.ray_url}{path}", None, token)

    def wait_milvus(self) -> None:
        """Wait until Milvus takes the password of .env. The stand-in is told it here; the image reads it itself."""
        from pymilvus import MilvusClient, MilvusException

        self.wait_healthy("milvus")
        try:
            MilvusClient(self.milvus_uri, token=self.milvus_token).close()
        except MilvusException:
            client = MilvusClient(self.milvus_uri, token="root:Milvus")
            client.update_password("root", "Milvus", self.settings["MILVUS_ROOT_PASSWORD"])
            client.close()

    def count(self, collection: str, source: str) -> int:
        """The rows of the collection whose source begins so."""
        from pymilvus import MilvusClient

        client = MilvusClient(self.milvus_uri, token=self.milvus_token)
        try:
            where = f'source like "{source}%"'
            rows = client.query(collection, filter=where, output_fields=["count(*)"], consistency_level="Strong")
            return int(rows[0]["count(*)"])
        finally:
            client.close()

    def search(self, *words: str) -> str:
        """What `search.py` prints in a worker, as README says."""
        command = [
            "exec",
            "-T",
            "ray-worker",
            "python",
            f"{SCRIPTS}/search.py",
            "--milvus-uri",
            "http://milvus:19530",
            *words,
        ]
        return self.compose(*command, timeout=300)

    def keep_models(self, models: dict[str, str]) -> dict[str, str]:
        """Put folders of models into the volume of models; returns their paths in the containers."""
        volume = f"{self.project}_model-cache"
        paths = {}
        for role, folder in models.items():
            mounts = ["--volume", f"{volume}:/models", "--volume", f"{folder}:/given:ro"]
            paths[role] = f"/models/{role}"
            copy = f"rm -rf {paths[role]} && cp -rL /given {paths[role]} && chmod -R a+rX {paths[role]}"
            copy += f" && (grep -rlI {folder} {paths[role]} | xargs -r sed -i s#{folder}#{paths[role]}#g)"
            self._docker.run("run", "--rm", "--user=root", *mounts, RAY_IMAGE, "sh", "-c", copy)
        return paths


def _secrets(deployment: Deployment) -> dict[str, str]:
    """The value of each empty setting, from the command in the comment above it."""
    lines = deployment.env.splitlines()
    found = {}
    for number, line in enumerate(lines):
        if line.endswith("=") and "openssl rand" in lines[number - 1]:
            command = lines[number - 1].rpartition(": openssl")[2]
            done = subprocess.run(f"openssl{command}", shell=True, capture_output=True, text=True, check=True)
            found[line.removesuffix("=")] = done.stdout.strip()
    return found


def _copy_checkout(folder: Path) -> None:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if not name.startswith("tests/") and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
