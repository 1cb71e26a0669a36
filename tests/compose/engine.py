"""A Docker engine: the one that runs on this machine, or one of the tests' own, whose images no other engine sees."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from embedded.processes import Part

BUILD_SECONDS = 3600.0


class NoEngineError(Exception):
    """This machine can run no containers, or cannot make the images for them; the message says why."""


class Docker:
    """The command `docker` for one engine.

    host: its address; None: as the user's own settings say.
    """

    def __init__(self, host: str | None = None) -> None:
        self.environment = {**os.environ, **({"DOCKER_HOST": host} if host else {})}

    def run(
        self,
        *words: str,
        timeout: float = 120.0,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> str:
        """The standard output of `docker` with these words. Raises RuntimeError with what it said if it fails."""
        command = ["docker", *words]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=cwd,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode != 0:
            output = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}\n{output}")
        return done.stdout

    def has(self, image: str) -> bool:
        return bool(self.run("images", "--quiet", image).strip())


class OwnEngine(Part):
    """`dockerd` on a socket of its own. Its images stay in `kept` for the next run.

    folder: receives the log and the socket, whose path must be short.
    """

    name = "dockerd"
    start_timeout = 60.0
    stop_grace = 20.0

    def __init__(self, folder: Path, kept: Path) -> None:
        super().__init__(folder)
        self._kept = kept
        self.host = f"unix://{folder / 'docker.sock'}"
        self.docker = Docker(self.host)

    def command(self) -> list[str]:
        places = {"data-root": self._kept, "exec-root": self.folder / "exec", "pidfile": self.folder / "docker.pid"}
        return ["dockerd", f"--host={self.host}", *(f"--{name}={path}" for name, path in places.items())]

    def serves(self) -> bool:
        try:
            return bool(self.docker.run("version", "--format", "{{.Server.Version}}", timeout=10))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            raise OSError(str(error)) from None


def running_engine() -> Docker | None:
    """The engine that the user's settings name, if it answers."""
    if shutil.which("docker") is None:
        return None
    docker = Docker()
    done = docker.run("version", "--format", "{{.Server.Version}}", check=False)
    return docker if done.strip() else None


def check_commands(commands: Sequence[str]) -> None:
    """Raises NoEngineError if one is missing here, or docker has no compose plugin of at least 2.23."""
    for command in commands:
        if shutil.which(command) is None:
            raise NoEngineError(f"there is no command {command} here")
    version = Docker().run("compose", "version", "--short", check=False).strip().removeprefix("v")
    if tuple(map(int, version.split(".")[:2] or ["0"])) < (2, 23) if version else True:
        raise NoEngineError(f"docker has no compose plugin of version 2.23 or newer here (found: {version or 'none'})")
