"""Stand-ins for the images of docker-compose.yaml, for an engine that reaches no image registry.

They are made of packages alone, Debian's and Python's, and tagged with the names that the file wants. STAND_INS and the
head of each Dockerfile in `stand_ins` say what stands in for what. The images that the file builds itself are no
stand-ins: its own Dockerfiles make them, from a base that is one.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from compose.engine import BUILD_SECONDS, Docker, NoEngineError, check_commands
from deployment import ROOT, Deployment, dockerfile_lines

DOCKERFILES = Path(__file__).with_name("stand_ins")
# Packages of Debian, beside what the smallest system has.
SYSTEMS = {
    "bookworm": "ca-certificates,curl,dumb-init,netbase,python3,python3-pip,python3-venv,tzdata",
    "trixie": "busybox,ca-certificates,curl,dumb-init,etcd-client,etcd-server,gosu,postgresql-17,prometheus,python3",
}
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# How programs of this machine reach the package registries, which builds have to do in the same way.
WAYS_TO_REGISTRIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")


@dataclass(frozen=True)
class StandIn:
    """What an image is made of here.

    image: a part of its name in docker-compose.yaml.
    dockerfile: its Dockerfile in `stand_ins`, without the suffix.
    system: the Debian that it is made from.
    differs: what may be different with the real image.
    """

    image: str
    dockerfile: str
    system: str
    differs: str


STAND_INS = (
    StandIn("apache/airflow", "airflow", "bookworm", "its other providers, and the versions of its constraints"),
    StandIn("python", "python", "bookworm", "an older patch release of Python 3.11, Debian's own"),
    StandIn("postgres", "postgres", "trixie", "its entrypoint"),
    StandIn("chrislusf/seaweedfs", "seaweedfs", "trixie", "Alpine, and its entrypoint"),
    StandIn("milvusdb/milvus", "milvus", "trixie", "Milvus 2.3.5: no full-text search, and a password set by hand"),
    StandIn("quay.io/coreos/etcd", "etcd", "trixie", "an older patch release of etcd 3.5"),
    StandIn("quay.io/minio/minio", "minio", "trixie", "SeaweedFS behind MinIO's command and health path"),
)


def make_stand_ins(docker: Docker, say: Callable[[str], None]) -> None:
    """Make the images that the engine does not have yet. Raises NoEngineError where this machine cannot."""
    check_commands(["debootstrap", "tar"])
    if os.getuid() != 0:
        raise NoEngineError("only root can make a file system with debootstrap")
    wanted = {stand_in: image_of(stand_in) for stand_in in STAND_INS}
    for stand_in, image in wanted.items():
        if docker.has(image):
            continue
        base = f"stand-in-debian:{stand_in.system}"
        if not docker.has(base):
            say(f"{base} is made with debootstrap")
            _import_system(docker, stand_in.system, base)
        say(f"{image}: {stand_in.dockerfile}.Dockerfile stands in for it; other than there: {stand_in.differs}")
        _build(docker, stand_in, image, base)


def image_of(stand_in: StandIn) -> str:
    """The whole name of the image in docker-compose.yaml or its Dockerfiles."""
    deployment = Deployment.of_the_repository()
    names = {service["image"] for service in deployment.services.values()}
    names |= {line.split()[1] for _, line in dockerfile_lines(deployment, "FROM")}
    (found,) = [name for name in names if name.split(":")[0] == stand_in.image]
    return found


def _import_system(docker: Docker, system: str, image: str) -> None:
    with tempfile.TemporaryDirectory(prefix="stand-in-") as folder:
        root = Path(folder) / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={SYSTEMS[system]}", system, str(root)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS)
        if done.returncode != 0:
            raise NoEngineError(f"{' '.join(command[:-1])} failed: {done.stdout[-2000:]}")
        shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
        settings = {name: os.environ[name] for name in WAYS_TO_REGISTRIES if name in os.environ}
        if ours := os.environ.get("SSL_CERT_FILE"):
            shutil.copyfile(ours, root / CERTIFICATES.lstrip("/"))
            settings |= dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), CERTIFICATES)
        changes = [word for name, value in settings.items() for word in ("--change", f"ENV {name}={value}")]
        archive = Path(folder) / "root.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True, timeout=BUILD_SECONDS)
        docker.run("import", *changes, str(archive), image, timeout=BUILD_SECONDS)


def _build(docker: Docker, stand_in: StandIn, image: str, base: str) -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]
    arguments = {
        "BASE": base,
        "AIRFLOW_VERSION": importlib.metadata.version("apache-airflow"),
        "EXCLUDE_NEWER": tool["exclude-newer"],
    }
    with tempfile.TemporaryDirectory(prefix="stand-in-") as folder:
        context = Path(folder) / "context"
        shutil.copytree(DOCKERFILES, context)
        text = (context / f"{stand_in.dockerfile}.Dockerfile").read_text()
        if "COPY weed " in text:
            shutil.copy(Path(sys.executable).with_name("weed"), context)
        if "COPY milvus " in text:
            _write_milvus(context / "milvus")
        used = {name: value for name, value in arguments.items() if f"ARG {name}" in text}
        words = [word for name, value in used.items() for word in ("--build-arg", f"{name}={value}")]
        file = str(context / f"{stand_in.dockerfile}.Dockerfile")
        docker.run("build", "--tag", image, "--file", file, *words, str(context), timeout=BUILD_SECONDS)


def _write_milvus(folder: Path) -> None:
    """The programs and the configuration of the package `milvus`, with the paths and ports of the image."""
    import socket

    from milvus import MilvusServerConfig, _initialize_data_files

    config = MilvusServerConfig(data_dir=str(folder))
    config.try_bind_port = lambda port: socket.socket()  # whatever other servers this machine has
    config.resolve()
    _initialize_data_files(str(folder))
    written = folder / "configs" / "milvus.yaml"
    written.write_text(written.read_text().replace(f"{folder}/", "/var/lib/milvus/"))
