"""Code packages: the same folder gives the same package everywhere, and an oversized one never reaches Ray."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from ray_jobs_api.packages import MAX_PACKAGE_BYTES, pack, resolve_code


def names(folder: Path, **options) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(pack(folder, **options).content)).namelist()


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_same_files_give_the_same_package(tmp_path):
    files = {"main.py": "print(1)", "lib/a.py": "a", "lib/b.py": "b"}
    one, two = write(tmp_path / "one", files), write(tmp_path / "two", dict(reversed(files.items())))
    os.utime(two / "main.py", (0, 0))
    assert pack(one) == pack(two)
    (two / "main.py").write_text("print(2)")
    assert pack(one).name != pack(two).name


def test_caches_and_ignored_files_stay_out(tmp_path):
    folder = write(
        tmp_path,
        {
            "main.py": "",
            "__pycache__/main.cpython-311.pyc": "",
            ".git/config": "",
            "data/big.bin": "",
            "lib/.gitignore": "*.tmp\n",
            "lib/x.tmp": "",
            "lib/x.py": "",
            "x.tmp": "",
            ".rayignore": "/notes\n",
            "notes/a.md": "",
        },
    )
    assert names(folder, excludes=["data/"]) == [".rayignore", "lib/.gitignore", "lib/x.py", "main.py", "x.tmp"]


def test_oversized_packages_fail_with_what_to_do(tmp_path):
    (tmp_path / "noise").write_bytes(os.urandom(20_000))
    with pytest.raises(ValueError, match=r"larger than the 0\.01 MiB .* object store"):
        pack(tmp_path, limit=10_486)


def test_the_limit_is_that_of_the_installed_ray():
    from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE

    assert MAX_PACKAGE_BYTES == DASHBOARD_CLIENT_MAX_SIZE


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(ValueError, match="not a folder"):
        pack(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no files"):
        pack(tmp_path)


def test_remote_addresses_pass_through_and_local_ones_become_packages(tmp_path):
    write(tmp_path, {"main.py": ""})
    assert resolve_code("s3://b/code.zip", {"pip": ["x"]}) == ([], {"pip": ["x"], "working_dir": "s3://b/code.zip"})
    (package,), environment = resolve_code(str(tmp_path), {"excludes": ["*.bin"], "env_vars": {"A": "1"}})
    assert environment == {"env_vars": {"A": "1"}, "working_dir": package.uri}
    assert resolve_code(None, {"working_dir": str(tmp_path)}) == ([package], {"working_dir": package.uri})
    with pytest.raises(ValueError, match="not both"):
        resolve_code(str(tmp_path), {"working_dir": "s3://b/code.zip"})


def test_local_modules_become_packages_with_their_own_name_inside(tmp_path):
    write(tmp_path, {"tools/__init__.py": "", "single.py": "", "some-1.0-py3-none-any.whl": "wheel"})
    local = [str(tmp_path / name) for name in ("tools", "single.py", "some-1.0-py3-none-any.whl")]
    packages, environment = resolve_code(None, {"py_modules": [*local, "s3://b/remote.zip"]})
    assert environment == {"py_modules": [*(package.uri for package in packages), "s3://b/remote.zip"]}
    inside = [zipfile.ZipFile(io.BytesIO(package.content)).namelist() for package in packages[:2]]
    assert inside == [["tools/__init__.py"], ["single.py"]]
    assert packages[2].uri == "gcs://some-1.0-py3-none-any.whl"
    with pytest.raises(ValueError, match=r"py_modules entry .* is not a folder"):
        resolve_code(None, {"py_modules": [str(tmp_path / "nowhere")]})
