"""The Ray side lives without Airflow, and `--help` answers without the libraries that take seconds to import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.tier("lint")

RAY_JOBS = Path(__file__).parents[2] / "ray_jobs"
MODULES = sorted(
    ".".join(path.relative_to(RAY_JOBS).with_suffix("").parts)
    for path in RAY_JOBS.rglob("*.py")
    if path.stem != "__init__"
)
SCRIPTS = sorted(path.name for path in RAY_JOBS.glob("*.py"))
HEAVY = ["ray", "torch", "pymupdf", "transformers", "sentence_transformers", "pymilvus", "pandas", "boto3"]

BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("airflow", "airflow_ray"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocker())
"""


def python(code, folder):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(RAY_JOBS)},
    )  # fmt: skip


def test_every_module_imports_where_airflow_is_not(tmp_path):
    result = python(BLOCKER + f"import importlib\nfor name in {MODULES!r}: importlib.import_module(name)", tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(MODULES) > 15


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_imports_nothing_heavy(script, tmp_path):
    code = f"""
import json, runpy, sys
sys.argv = [{script!r}, "--help"]
try:
    runpy.run_path({str(RAY_JOBS / script)!r}, run_name="__main__")
except SystemExit as end:
    print()
    print(json.dumps([end.code, [name for name in {HEAVY!r} if name in sys.modules]]))
"""
    result = python(code, tmp_path)
    assert "--milvus-uri" in result.stdout
    assert json.loads(result.stdout.splitlines()[-1]) == [0, []], result.stderr
