"""The Airflow side is light: it imports without Ray's stack, and Airflow's plugin loader sees one file of it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.tier("lint")

REPOSITORY = Path(__file__).parents[2]
BLOCKED = "ray torch pandas pymilvus sentence_transformers numpy pyarrow"

BLOCKER = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED.split()!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocker())
"""


def python(code: str, tmp_path: Path, **environment: str) -> str:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        **environment,
    }
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_package_is_typed_in_the_wheel_and_hidden_from_the_plugin_loader():
    packages = {path.parent for path in (REPOSITORY / "plugins").glob("*/__init__.py")}
    assert all((package / "py.typed").exists() for package in packages)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {REPOSITORY / name for name in wheel} == packages
    ignored = (REPOSITORY / "plugins" / ".airflowignore").read_text().splitlines()
    assert {f"{package.name}/" for package in packages} <= set(ignored)


def test_every_module_and_every_dag_imports_without_rays_stack(tmp_path):
    plugins = REPOSITORY / "plugins"
    modules = [".".join(path.relative_to(plugins).with_suffix("").parts) for path in plugins.rglob("*/*.py")]
    assert {name.partition(".")[0] for name in modules} == {"airflow_ray", "ray_ingest", "ray_jobs_api"}
    dags = [str(path) for folder in ("dags", "dags/examples") for path in (REPOSITORY / folder).glob("*.py")]
    python(
        BLOCKER + f"import importlib, runpy\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"for path in {dags!r}: runpy.run_path(path)\n",
        tmp_path,
    )


def test_importing_the_operator_loads_no_http_client(tmp_path):
    code = "import sys, airflow_ray.operators.job; print('aiohttp' in sys.modules, 'ray' in sys.modules)"
    assert python(code, tmp_path).split()[-2:] == ["False", "False"]


BARE = {path.stem for path in (REPOSITORY / "plugins").rglob("*/*.py")} - {"__init__"}


def test_the_plugin_loader_executes_one_file_and_replaces_no_module(tmp_path):
    code = (
        "import operator, sys\n"
        "before = set(sys.modules)\n"
        "from airflow.plugins_manager import _get_plugins\n"
        "plugins, errors = _get_plugins()\n"
        "assert not errors, errors\n"
        "ours = [p for p in plugins if p.name == 'ray_ingest']\n"
        "assert len(ours) == 1 and ours[0].operator_extra_links\n"
        "assert sys.modules['operator'] is operator and hasattr(operator, 'itemgetter')\n"
        f"bare = {BARE!r} & set(sys.modules)\n"
        "assert not bare, bare\n"
        "print('ok')\n"
    )
    assert python(code, tmp_path, AIRFLOW__CORE__PLUGINS_FOLDER=str(REPOSITORY / "plugins")).endswith("ok\n")
