"""The packages and the ``runtime_env`` of a job: nothing in them names a file of the machine that submits it."""

import io
import os
import shlex
import subprocess
import zipfile
from pathlib import Path

import pytest

from ray_jobs_api.job_request import command_line
from ray_jobs_api.runtime_env import carry_command, resolve_code
from written_files import write


def resolved(folder: Path, **runtime_env) -> dict:
    return resolve_code(str(folder), runtime_env)[1]


def test_remote_addresses_pass_through_and_local_ones_become_packages(tmp_path):
    write(tmp_path, {"main.py": ""})
    assert resolve_code("s3://b/code.zip", {"pip": ["x"]}) == ([], {"pip": ["x"], "working_dir": "s3://b/code.zip"})
    (package,), environment = resolve_code(str(tmp_path), {"excludes": ["*.bin"], "env_vars": {"A": "1"}})
    assert environment == {"env_vars": {"A": "1"}, "working_dir": package.uri}
    assert resolve_code(None, {"working_dir": str(tmp_path)}) == ([package], {"working_dir": package.uri})
    with pytest.raises(ValueError, match="not both"):
        resolve_code(str(tmp_path), {"working_dir": "s3://b/code.zip"})


@pytest.mark.parametrize("address", ["s3://fake.zip", "s3://fake.zip/", "s3:///code.zip", "gs://code.zip"])
def test_an_address_without_a_bucket_or_a_key_is_refused(address):
    with pytest.raises(ValueError, match=f"working_dir '{address}' names no object in a bucket: it is written .*<key>"):
        resolve_code(address, {})
    with pytest.raises(ValueError, match=f"py_modules entry '{address}' names no object in a bucket"):
        resolve_code(None, {"py_modules": ["s3://b/good.zip", address]})


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


REQUIREMENTS = """\ufeff# for the job
requests==2.32.3   # pinned
numpy>=2 ; python_version >= "3.11"
--only-binary=numpy

certifi==2025.1.1 \\
    --hash=sha256:00
-r nested/more.txt
-r ${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}/there.txt
git+https://example.com/x.git#egg=x
"""
READ = [
    "requests==2.32.3",
    'numpy>=2 ; python_version >= "3.11"',
    "--only-binary=numpy",
    "certifi==2025.1.1      --hash=sha256:00",
    "one",
    "two",
    "-r ${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}/there.txt",
    "git+https://example.com/x.git#egg=x",
]


@pytest.fixture
def project(tmp_path):
    more = "one\n--requirement=../two.txt"
    return write(tmp_path, {"job.py": "", "requirements.txt": REQUIREMENTS, "nested/more.txt": more, "two.txt": "two"})


@pytest.mark.parametrize("field", ["pip", "uv"])
def test_the_lines_of_a_requirements_file_are_sent(project, field):
    assert resolved(project, **{field: "requirements.txt"})[field] == READ
    assert resolved(project, **{field: str(project / "requirements.txt")})[field] == READ
    sent = resolved(project, **{field: {"packages": "requirements.txt", f"{field}_check": True}})[field]
    assert sent == {"packages": READ, f"{field}_check": True}
    assert resolved(project, **{field: ["a", "-rtwo.txt"]})[field] == ["a", "two"]


def test_a_requirements_file_of_windows_is_read(project):
    (project / "requirements.txt").write_bytes("\ufeffrequests\r\nrich\r\n".encode("utf-16-le"))
    assert resolved(project, pip="requirements.txt")["pip"] == ["requests", "rich"]


def test_a_relative_path_counts_from_the_current_folder_without_a_local_working_dir(project, monkeypatch):
    monkeypatch.chdir(project)
    assert resolve_code("s3://b/code.zip", {"pip": "two.txt"})[1]["pip"] == ["two"]


@pytest.mark.parametrize(
    ("pip", "sentence"),
    [
        ("numpy", r"names the file 'numpy', which is not in .*; a package without a file is written as a list"),
        ("/no/such.txt", "names the file '/no/such.txt', which is not in the submitting machine"),
        (["-r missing.txt"], "missing.txt"),
        (["-e ."], "'-e .', which names something on the machine"),
        (["./wheels/x.whl"], "names something on the machine"),
        (["-c constraints.txt"], "names something on the machine"),
        (["--any-option=./wheels"], "names something on the machine"),
        (["-f nested"], "names something on the machine"),
        (["-r circle.txt"], "names itself"),
        ([1], "must be a list of requirements"),
        (5, "must be a list of requirements"),
    ],
)
def test_requirements_that_mean_nothing_elsewhere_are_refused(project, pip, sentence):
    write(project, {"circle.txt": "-r round.txt", "round.txt": "-r circle.txt"})
    with pytest.raises(ValueError, match=sentence):
        resolved(project, pip=pip)


def test_the_file_of_a_conda_environment_is_sent(project):
    write(
        project,
        {
            "env.yml": "name: x\ndependencies:\n- python=3.11\n- pip:\n  - -r two.txt\n",
            "bad.yaml": "a: [",
            "no.yaml": "x",
        },
    )
    assert resolved(project, conda="env.yml")["conda"] == {
        "name": "x",
        "dependencies": ["python=3.11", {"pip": ["two"]}],
    }
    assert resolved(project, conda="an-environment")["conda"] == "an-environment"
    for name, sentence in (
        ("missing.yml", "missing.yml"),
        ("bad.yaml", "is not YAML"),
        ("no.yaml", "conda environment"),
    ):
        with pytest.raises(ValueError, match=sentence):
            resolved(project, conda=name)


@pytest.mark.parametrize("field", ["py_modules", "excludes"])
def test_a_string_is_no_list(project, field):
    with pytest.raises(ValueError, match=f"'{field}'.* must be a list, not 'lib'"):
        resolved(project, **{field: "lib"})


def test_a_command_over_the_limit_of_the_shell_runs_from_a_package(tmp_path):
    words = [f"s3://bucket/{number:06}" for number in range(10_000)]
    command = command_line("printf '%s\\n' a\nprintf '%s\\n'", {"source": words})
    carried, packages, runtime_env = carry_command(command, [], {"py_modules": ["s3://b/x.zip"]})
    assert runtime_env["py_modules"] == ["s3://b/x.zip", packages[0].uri]
    zipfile.ZipFile(io.BytesIO(packages[0].content)).extractall(tmp_path)
    environment = {**os.environ, "PYTHONPATH": f"/no/such:{tmp_path}"}
    done = subprocess.run(carried, shell=True, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["a", *(f"--source={word}" for word in words)]


def test_a_short_command_is_passed_on_as_it_is():
    assert carry_command(shlex.join(["python", "x.py"]), [], {}) == ("python x.py", [], {})


def test_a_zip_of_files_is_uploaded_as_it_is(tmp_path):
    code = tmp_path / "code.zip"
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("main.py", "print(1)")
    (package,), environment = resolve_code(str(code), {})
    assert environment == {"working_dir": package.uri}
    assert package.content == code.read_bytes()
    code.write_text("no zip")
    with pytest.raises(ValueError, match="is not a zip"):
        resolve_code(str(code), {})


def zipped(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o755 if name.endswith(".sh") else 0o644) << 16
            archive.writestr(entry, "" if name.endswith("/") else f"# {name}")
    return path


def packed(path: Path, command: str = "python job.py") -> list[str]:
    (package,), _ = resolve_code(str(path), {}, command=command)
    return zipfile.ZipFile(io.BytesIO(package.content)).namelist()


@pytest.mark.parametrize("more", [(), ("proj/",), ("__MACOSX/proj/._job.py",), ("proj/", "__MACOSX/")])
def test_the_folder_of_a_zip_that_holds_nothing_else_is_taken_off_as_of_remote_zips(tmp_path, more):
    code = zipped(tmp_path / "proj.zip", "proj/job.py", "proj/lib/proj/a.py", "proj/run.sh", *more)
    (package,), _ = resolve_code(str(code), {}, command="python job.py --of=my-proj")
    inside = zipfile.ZipFile(io.BytesIO(package.content))
    assert inside.namelist() == ["job.py", "lib/proj/a.py", "run.sh"]
    assert inside.read("job.py") == b"# proj/job.py"
    assert [entry.external_attr >> 16 & 0o777 for entry in inside.infolist()] == [0o644, 0o644, 0o755]


@pytest.mark.parametrize(
    "command", ["python proj/job.py", "python -m proj.job", "cd proj && ./run.sh", "sh ./proj/run.sh"]
)
def test_a_folder_that_the_command_names_stays(tmp_path, command):
    assert packed(zipped(tmp_path / "proj.zip", "proj/job.py"), command) == ["proj/job.py"]


@pytest.mark.parametrize(
    "names", [("job.py", "lib/a.py"), ("proj/job.py", "README"), ("a/x.py", "b/y.py"), ("../x.py",)]
)
def test_a_zip_that_holds_more_than_a_folder_is_uploaded_as_it_is(tmp_path, names):
    assert packed(zipped(tmp_path / "proj.zip", *names)) == list(names)


def test_a_file_that_cannot_be_taken_out_of_a_zip_is_named(tmp_path):
    code = zipped(tmp_path / "proj.zip", "proj/job.py")
    content = bytearray(code.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(signature) + offset] |= 1  # the flag of an encrypted entry
    code.write_bytes(content)
    with pytest.raises(ValueError, match=r"'proj/job.py' in it cannot be read \(.*encrypted"):
        packed(code)
