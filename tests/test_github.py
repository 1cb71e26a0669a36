"""The files in .github that GitHub reads: it would accept them, and the workflows run every tier on every Python."""

import re
import tomllib
from pathlib import Path
from typing import Any

import check_jsonschema
import pytest
import yaml
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = {
    "workflows/*.yml": ("vendor.github-workflows", "custom.github-workflows-require-timeout"),
    "ISSUE_TEMPLATE/[!c]*.yml": ("vendor.github-issue-forms",),
    "ISSUE_TEMPLATE/config.yml": ("vendor.github-issue-config",),
}


def check(schema: str, *files: Path) -> tuple[int, str]:
    """Exit code and output of check-jsonschema with a schema that it carries."""
    done = CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", schema, *map(str, files)])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("pattern", "schema"), [(pattern, schema) for pattern, schemas in SCHEMAS.items() for schema in schemas]
)
def test_github_accepts(pattern: str, schema: str) -> None:
    files = sorted((ROOT / ".github").glob(pattern))
    assert files
    code, output = check(schema, *files)
    assert code == 0, output


def test_a_broken_workflow_is_caught(tmp_path: Path) -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    (tmp_path / "ci.yml").write_text(text.replace("runs-on:", "run-on:"))
    code, output = check("vendor.github-workflows", tmp_path / "ci.yml")
    assert code != 0
    assert "'runs-on' is a required property" in output


def workflow(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())


def test_the_workflows_run_every_tier_on_every_python() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    bounds = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", settings["project"]["requires-python"])
    assert bounds
    matrix = workflow("ci")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == [f"3.{minor}" for minor in range(int(bounds[1]), int(bounds[2]))]
    markers = [re.split(r"\W", marker)[0] for marker in settings["tool"]["pytest"]["ini_options"]["markers"]]
    nightly = workflow("nightly")["jobs"]["long"]["strategy"]["matrix"]["tier"]
    # No runner has a GPU, or the disk for all images.
    assert sorted([*matrix["tier"], "lint", *nightly]) == sorted({*markers} - {"begins", "tier", "gpu", "docker"})
