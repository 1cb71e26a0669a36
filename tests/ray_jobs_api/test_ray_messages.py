"""Of what Ray says about a runtime environment, the line that says why it could not be set up is found."""

import pytest

from airflow_ray.job_failure import job_failure
from ray_jobs_api.job_outcome import JobOutcome
from ray_jobs_api.ray_messages import cause_of_setup, shortened

HEAD = """runtime_env setup failed: Failed to set up runtime environment.
Could not create the actor because its associated runtime env failed to be created.
[Node 127.0.0.1] Traceback (most recent call last):
  File "/x/ray/_private/runtime_env/agent/runtime_env_agent.py", line 561, in _create_runtime_env_with_retry
    runtime_env_context = await asyncio.wait_for(
                          ^^^^^^^^^^^^^^^^^^^^^^^
"""
SUBPROCESS = """ray._private.utils.SubprocessCalledProcessError: Run cmd[9] failed with the following details.
Command '['/x/bin/python', '-m', 'pip', 'install']' returned non-zero exit status 1.
Last 50 lines of stdout:
"""


def failed(field, end):
    frame = f'  File "/x/ray/_private/runtime_env/{field}.py", line 394, in create\n    size = await task\n'
    return f"{HEAD}{frame}{end}"


def printed(field, *lines):
    return failed(field, SUBPROCESS + "\n".join(f"    {line}" for line in lines))


PIP_BUILD = """  error: subprocess-exited-with-error

  \u00d7 Getting requirements to build wheel did not run successfully.
  \u2502 exit code: 1
  \u2570\u2500> [3 lines of output]
      Traceback (most recent call last):
        File "<string>", line 1, in <module>
      RuntimeError: libfoo.h is missing
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
ERROR: Failed to build 'file:///x' when getting requirements to build wheel"""
UV_BUILD = """  \u00d7 Failed to build `x @ file:///x`
  \u251c\u2500\u25b6 The build backend returned an error
  \u2570\u2500\u25b6 Call to `setuptools.build_meta` failed (exit status: 1)

      [stderr]
      Traceback (most recent call last):
        File "<string>", line 1, in <module>
      RuntimeError: libfoo.h is missing

      hint: This usually indicates a problem with the package or the build environment."""


NO_CONDA_PACKAGE = """RuntimeError: Failed to install conda environment x:
Output:
Collecting package metadata: done
PackagesNotFoundError: The following packages are not available from current channels:

  - nix
"""
NOT_FOUND = """OSError: [Errno 113] No route

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/x/adapters.py", line 1, in send
    raise ConnectionError(e)
requests.exceptions.HTTPError: 404 Client Error for url: https://h/c.zip
"""
BAD_WHEEL = """RuntimeError: Failed to install py_modules wheel /x/e.whl to /x/e:
ERROR: Invalid wheel filename (wrong number of parts): 'e'"""


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (
            printed("pip", "ERROR: Could not find a version that satisfies the requirement nix",
                    "ERROR: No matching distribution found for nix", "[notice] A new release of pip is available"),
            "pip: ERROR: No matching distribution found for nix",
        ),
        (
            printed("pip", "ERROR: Cannot install a==1 and b==2 because these have conflicting dependencies.", "",
                    "The conflict is caused by:", "    a 1 depends on c", "",
                    "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/"),
            "pip: ERROR: Cannot install a==1 and b==2 because these have conflicting dependencies.",
        ),
        (printed("pip", "/x/bin/python: No module named pip"), "pip: /x/bin/python: No module named pip"),
        (printed("pip", *PIP_BUILD.splitlines()), "pip: RuntimeError: libfoo.h is missing"),
        (
            printed("uv", "Using Python 3.11.7", "error: No solution found when resolving dependencies",
                    "  cause: Because nix was not found and you require nix, your requirements are unsatisfiable.", "",
                    "hint: Packages were unavailable because the network was disabled."),
            "uv: error: No solution found when resolving dependencies: Because nix was not found and you require nix, "
            "your requirements are unsatisfiable.",
        ),
        (
            printed("uv", "  \u00d7 No solution found when resolving dependencies:",
                    "  \u2570\u2500\u25b6 Because nix was not found in the registry, requirements are unsatisfiable."),
            "uv: Because nix was not found in the registry, requirements are unsatisfiable.",
        ),
        (
            printed("pip", *PIP_BUILD.replace("RuntimeError: libfoo.h is missing", "ERROR: No x").splitlines()),
            "pip: ERROR: No x",
        ),
        (
            printed("uv", "error: Failed to resolve", "  cause: No solution found", "  cause: Because x, y."),
            "uv: Because x, y.",
        ),
        (printed("uv", *UV_BUILD.splitlines()), "uv: RuntimeError: libfoo.h is missing"),
        (printed("uv", "error: Failed to parse: `a b c`"), "uv: error: Failed to parse: `a b c`"),
        (
            failed("conda", NO_CONDA_PACKAGE),
            "conda: PackagesNotFoundError: The following packages are not available from current channels: - nix",
        ),
        (
            failed("conda", "ValueError: Could not find Conda executable at conda.\n"),
            "conda: ValueError: Could not find Conda executable at conda.",
        ),
        (
            failed("working_dir", "zipfile.BadZipFile: File is not a zip file\n"),
            "working_dir: zipfile.BadZipFile: File is not a zip file",
        ),
        (
            failed("working_dir", NOT_FOUND),
            "working_dir: requests.exceptions.HTTPError: 404 Client Error for url: https://h/c.zip",
        ),
        (
            failed("py_modules", BAD_WHEEL),
            "py_modules: ERROR: Invalid wheel filename (wrong number of parts): 'e'",
        ),
        (
            failed("image_uri", "FileNotFoundError: [Errno 2] No such file or directory: 'podman'"),
            "image_uri: FileNotFoundError: [Errno 2] No such file or directory: 'podman'",
        ),
        ("runtime_env setup failed: Timed out.", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_the_line_that_says_why_is_found(message, cause):
    assert cause_of_setup(message) == cause


@pytest.mark.parametrize("noise", [0, 200])
def test_the_sentence_of_the_task_has_the_cause_and_the_reason(noise):
    message = printed("pip", *["Collecting something large"] * noise, "ERROR: No matching distribution found for nix")
    outcome = JobOutcome("j", "FAILED", "RUNTIME_ENV_SETUP_FAILURE", None, shortened(message))
    assert str(job_failure(outcome, {}, {})) == (
        "Ray job j failed (runtime_env): the runtime environment could not be set up (pip: ERROR: No matching "
        "distribution found for nix). Check working_dir and runtime_env (packages, remote addresses)."
    )


def test_head_and_tail_of_a_long_message_are_kept():
    message = "".join(f"line {number}\n" for number in range(10_000))
    kept = shortened(message)
    assert kept.startswith("line 0\n")
    assert kept.endswith("line 9999\n")
    assert len(kept) < 13_000
    assert shortened(kept[:5_000]) == kept[:5_000]


@pytest.mark.parametrize("user", ["user:pass", "token", "user:p%40ss"])
def test_credentials_in_addresses_are_left_out(user):
    said = f"Command '['git', 'clone', 'https://{user}@host/project']' failed; see a@b and https://host/@x"
    assert shortened(said) == said.replace(user, "***")
