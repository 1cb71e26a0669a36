"""The repository as a whole: its style, its types, its layout, and the command that CI runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "docker-compose.yaml", "dags", "plugins", "ray_jobs", "tests"}


def tracked() -> list[str]:
    git = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True)
    if git.returncode:
        pytest.skip("not a git checkout")
    return git.stdout.splitlines()


@pytest.mark.parametrize(
    "command", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=lambda command: " ".join(command)
)
@pytest.mark.tier("lint")
def test_checker_has_no_complaint(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.tier("lint")
def test_imports_point_one_way():
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint_imports, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_top_level_is_the_agreed_one():
    names = {name.split("/")[0] for name in tracked()}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_ci_runs_the_command_of_the_readme():
    readme = (REPOSITORY / "README.md").read_text()
    command = (REPOSITORY / ".ci" / "run").read_text().splitlines()[-1]
    assert command.startswith("pip install uv && ")
    assert re.search(rf"^{re.escape(command)}$", readme, re.MULTILINE)
