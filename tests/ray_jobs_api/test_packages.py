"""Code packages: the same folder gives the same package everywhere, and an oversized one never reaches Ray."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from ray_jobs_api.packages import MAX_PACKAGE_BYTES, pack
from written_files import write


def names(folder: Path, **options) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(pack(folder, **options).content)).namelist()


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


def test_linked_folders_and_files_are_packed(tmp_path):
    write(tmp_path, {"common/helper.py": "", "jobs/job.py": "", "one.py": ""})
    (tmp_path / "jobs" / "common").symlink_to("../common")
    (tmp_path / "jobs" / "again").symlink_to(tmp_path / "common")
    (tmp_path / "jobs" / "linked.py").symlink_to("../one.py")
    assert names(tmp_path / "jobs") == ["again/helper.py", "common/helper.py", "job.py", "linked.py"]


def test_a_link_to_a_folder_that_holds_it_is_named(tmp_path):
    write(tmp_path, {"main.py": "", "deep/x.py": ""})
    (tmp_path / "deep" / "up").symlink_to("..")
    with pytest.raises(ValueError, match=r"'deep/up' is a link to a folder that holds it"):
        pack(tmp_path)
    assert names(tmp_path, excludes=["up"]) == ["deep/x.py", "main.py"]


def test_what_no_zip_can_hold_is_left_out_and_named(tmp_path):
    write(tmp_path, {"main.py": ""})
    (tmp_path / "nowhere.py").symlink_to("missing.py")
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    package = pack(tmp_path)
    assert sorted(package.skipped) == ["circle", "nowhere.py", "pipe"]
    assert zipfile.ZipFile(io.BytesIO(package.content)).namelist() == ["main.py"]


def test_a_file_that_cannot_be_packed_is_named(tmp_path, monkeypatch):
    (tmp_path / os.fsdecode(b"caf\xe9.py")).touch()
    with pytest.raises(ValueError, match=r"caf.* has a name that is not UTF-8"):
        pack(tmp_path)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    write(tmp_path, {"secret.py": ""})
    monkeypatch.setattr(Path, "open", refuse)  # root may read every file
    with pytest.raises(ValueError, match=r"'secret.py' cannot be read \(Permission denied\)"):
        pack(tmp_path, excludes=["caf*"])
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ValueError, match=r"'the folder' cannot be read"):
        pack(tmp_path)


def test_the_nearest_ignore_file_decides_as_in_git(tmp_path):
    files = {".gitignore": "\ufeff*.bin\n/local\n", "a/.gitignore": "!keep.bin\n*.py\n", "a/keep.bin": "", "a/x.py": ""}
    write(tmp_path, {**files, "a/other.bin": "", "local/x": "", "a/local/x": "", "keep.bin": ""})
    assert names(tmp_path) == [".gitignore", "a/.gitignore", "a/keep.bin", "a/local/x"]


def test_a_pattern_that_is_none_is_named(tmp_path):
    write(tmp_path, {"main.py": "", ".gitignore": "!\n"})
    with pytest.raises(ValueError, match=r"\.gitignore holds a pattern"):
        pack(tmp_path)


def test_a_sparse_file_is_not_read_to_its_end(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match="is larger than"):
        pack(tmp_path, limit=10_486)


def test_files_of_any_age_are_packed(tmp_path):
    write(tmp_path, {"main.py": ""})
    os.utime(tmp_path / "main.py", (-86_400, -86_400))
    assert names(tmp_path) == ["main.py"]
