"""A script runs on the cluster that RAY_ADDRESS names by a URL, with its output and its exit code as if it ran here."""

import os
import shlex
import signal
import threading
from argparse import Namespace

import pytest

from embedded.dashboard import Dashboard
from ingest.pipelines import images, pdfs, videos
from ingest.run import elsewhere
from ingest.run.elsewhere import run_elsewhere
from ingest.run.script import guarded, say
from ingest.run.script_process import ScriptProcess
from ingest.run.shared_flags import RUN_FLAGS

pytestmark = pytest.mark.tier("parts")  # scripts in processes of their own, and a server for them

ALL_FLAGS = (*RUN_FLAGS, *pdfs.FLAGS, *images.FLAGS, *videos.FLAGS)
PATHS = {flag.name.replace("-", "_") for flag in ALL_FLAGS if flag.may_be_path}
LOG = 'a line\nERROR: too many failed\nREPORT {"listed": 3}\n'


def run(url, *argv, **flags):
    given = {**dict.fromkeys(PATHS, ""), "report": "", "source": ["s3://b/"], **flags}
    return guarded(lambda: run_elsewhere(url, "ingest_pdfs.py", argv, Namespace(**given), ALL_FLAGS, say))


@pytest.mark.parametrize("code", [0, 3])
def test_a_job_has_its_output_and_exit_code_here(code, capfd, tmp_path):
    report = tmp_path / "report.json"
    with Dashboard(LOG) as dashboard:
        dashboard.exit_code = code
        assert run(dashboard.url, "--source", "s3://b/it's/", "--report", str(report), report=str(report)) == code
    (job,) = dashboard.jobs.values()
    words = ["python", "ingest_pdfs.py", "--source", "s3://b/it's/", "--report", str(report), "--report="]
    assert shlex.split(job["entrypoint"]) == words
    assert job["runtime_env"]["working_dir"].startswith("gcs://")
    printed = capfd.readouterr()
    assert printed.out.splitlines()[1:] == ["a line", 'REPORT {"listed": 3}']
    assert printed.err == "ERROR: too many failed\n"
    assert report.read_text() == '{"listed": 3}\n'


@pytest.mark.nightly
def test_why_ray_could_not_set_up_the_environment_of_a_job_is_named(capfd):
    frame = '  File "/x/ray/_private/runtime_env/working_dir.py", line 260, in create\n    x = await y\n'
    begins = "[Node 127.0.0.1] Traceback (most recent call last):\n"
    with Dashboard("") as dashboard:
        dashboard.refusal = f"runtime_env setup failed: no.\n{begins}{frame * 10}OSError: [Errno 28] No space left\n"
        assert run(dashboard.url) == 1
    assert "working_dir: OSError: [Errno 28] No space left" in capfd.readouterr().err


def test_local_paths_are_made_absolute_and_named_when_the_cluster_refuses_them(capfd, tmp_path, monkeypatch):
    (tmp_path / "papers").mkdir()
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    with Dashboard(LOG) as dashboard:
        dashboard.exit_code = 2
        run(dashboard.url, "--source", "papers", source=["papers"], clip_model="local-dir:model", embedding_model="a/b")
    (job,) = dashboard.jobs.values()
    paths = [f"--source={tmp_path}/papers", f"--clip-model=local-dir:{tmp_path}/model"]
    assert shlex.split(job["entrypoint"])[2:] == [*paths, "--report="]
    assert f"({tmp_path}/papers and {tmp_path}/model: on this machine;" in capfd.readouterr().err


def test_every_flag_that_offers_a_folder_is_one_whose_path_is_made_absolute():
    assert {flag.name.replace("-", "_") for flag in ALL_FLAGS if "folder" in flag.help} == PATHS
    assert {"source", "embedding_model", "clip_model", "whisper_model", "caption_model"} <= PATHS


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("Version mismatch: The cluster was started with Ray 2.50.0", 2),
        ("Python minor versions differ between client and server", 2),
        ("ray client connection timeout", 4),
    ],
)
def test_another_version_of_ray_is_a_matter_of_configuration(error, code, monkeypatch, capfd):
    import ray

    def refuse(*_, **__):
        raise RuntimeError(error)

    monkeypatch.setattr(elsewhere, "check_head", lambda address: None)
    monkeypatch.setattr(ray, "init", refuse)
    assert run("ray://head:10001") == code
    assert f"({error}); check RAY_ADDRESS" in capfd.readouterr().err


def test_a_head_that_cannot_serve_a_client_is_asked_again_and_its_reason_is_named(monkeypatch, capfd):
    import ray

    asked = []

    def abort(address, **_):
        asked.append(address)
        raise ConnectionAbortedError(
            "Initialization failure from server:\nTraceback (most recent call last):\n  File 'x', line 1\n"
            "RuntimeError: Starting Ray client server failed."
        )

    monkeypatch.setattr(elsewhere, "check_head", lambda address: None)
    monkeypatch.setattr(ray, "init", abort)
    assert run("ray://head:10001") == 4
    assert asked == ["ray://head:10001"] * 2
    assert "(RuntimeError: Starting Ray client server failed.); check RAY_ADDRESS" in capfd.readouterr().err


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_job(signum):
    with Dashboard(LOG) as dashboard:
        dashboard.endless = True
        interrupt = threading.Thread(target=lambda: dashboard.submitted.wait() and os.kill(os.getpid(), signum))
        interrupt.start()
        assert run(dashboard.url) == 128 + signum
        interrupt.join()
    (job,) = dashboard.jobs.values()
    assert job["status"] == "STOPPED"


@pytest.mark.parametrize(
    ("environment", "code", "sentence"),
    [
        ({}, 2, "wants a token; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN unless"),
        ({"RAY_AUTH_TOKEN": "wrong-token"}, 2, "refuses the token; check RAY_AUTH_TOKEN"),
        ({"RAY_AUTH_TOKEN": "right-token"}, 0, ""),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "token-file"}, 0, ""),
        ({"RAY_JOB_HEADERS": "x"}, 2, "RAY_JOB_HEADERS is not a JSON object"),
    ],
)
def test_a_head_that_wants_a_token(environment, code, sentence, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token-file").write_text("right-token\n")
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with Dashboard('REPORT {"listed": 3}\n', token="right-token") as dashboard:
        assert run(dashboard.url) == code
    assert sentence in capfd.readouterr().err


@pytest.mark.nightly
def test_a_closed_port_is_exit_code_4(capfd):
    assert run("http://127.0.0.1:1/ray") == 4
    assert "Cannot reach Ray at http://127.0.0.1:1/ray: Connection refused; check RAY_ADDRESS" in capfd.readouterr().err


def test_a_process_of_a_node_gives_its_output_and_exit_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text(
        "import os, sys\nprint(os.environ['RAY_ADDRESS'], *sys.argv[1:])\nsys.stderr.buffer.write(b'bad \\xff\\n')\n"
        "print('no break', end='')\nsys.exit(3)\n"
    )
    process, found, code = ScriptProcess("script.py", ["--x", "a b"], "head:6379"), [], None
    while code is None:
        texts, code = process.read()
        found += texts
    assert code == 3
    assert [text for name, text in found if name == "stdout"] == ["head:6379 --x a b\n", "no break"]
    assert [text for name, text in found if name == "stderr"] == ["bad \N{REPLACEMENT CHARACTER}\n"]


def test_a_process_of_a_node_is_stopped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text("import signal\nprint('ready')\nsignal.pause()\n")
    process = ScriptProcess("script.py", [], "head:6379")
    while not process.read()[0]:
        pass
    process.stop()
    while (code := process.read()[1]) is None:
        pass
    assert code == -signal.SIGTERM


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["ray", "http"])
def test_an_address_with_a_scheme_runs_the_script_on_the_cluster(kind, jobs, ray_head, object_store, tmp_path):
    source = f"{object_store.bucket('ray-jobs-elsewhere')}/empty/"
    address = ray_head.client_address if kind == "ray" else ray_head.dashboard_url
    report = tmp_path / "report.json"
    flags = ["--source", source, "--collection", f"elsewhere_{kind}_", "--dry-run", "--report", str(report)]
    result = jobs.run_by_python("ingest_pdfs.py", *flags, RAY_ADDRESS=address)
    assert result.code == 0, result.stderr
    assert (result.report["source"], result.report["listed"]) == (source, 0)
    assert report.read_text().startswith('{"pipeline": "pdfs"')
