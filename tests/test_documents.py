"""The pages for people keep their word: links, paths, tests, commands, flags and examples in them exist.

A rule is a function from a `Page` to the list of its false statements. Each rule runs over every tracked page, where it
must find nothing, and over a sentence made for it, in which it must find something.
"""

import argparse
import ast
import functools
import io
import itertools
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ray_ingest.job_scripts import COLLECTIONS
from ray_ingest.templates import model_flags

ROOT = Path(__file__).resolve().parents[1]
GITHUB_PAGES = "../../actions/"
"""A link from the README, as GitHub shows it, to a page of GitHub about this repository."""

SCRIPTS = [*sorted((ROOT / "ray_jobs").glob("*.py")), ROOT / "tests" / "demo.py"]
FILE_NAME = re.compile(r"[\w.-]*\w\.(?:py|md|ya?ml|toml)")
MATRIX_RUNS = {"every run": "", "nightly": "nightly", "chaos": "chaos"}


@dataclass(frozen=True)
class Page:
    """A Markdown file: its path from the root, and its text."""

    name: str
    text: str

    @property
    def folder(self) -> Path:
        return (ROOT / self.name).parent

    def tokens(self) -> Iterator[Token]:
        return _flat(MarkdownIt("commonmark").enable("table").parse(self.text))

    def inline_code(self) -> list[str]:
        return [token.content for token in self.tokens() if token.type == "code_inline"]

    def fences(self, language: str) -> list[str]:
        return [token.content for token in self.tokens() if token.type == "fence" and token.info == language]

    def commands(self) -> list[list[str]]:
        """The words of every shell command: lines of bash blocks, and inline code of several words."""
        lines = [line for block in self.fences("bash") for line in block.replace("\\\n", " ").splitlines()]
        commands = [command for text in (*lines, *self.inline_code()) for command in re.split(r"&&|;", text)]
        return [words for command in commands if (words := _words(command))]


def _flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or [])


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command, comments=True)
    except ValueError:
        return []  # a part of code, not a command


@functools.cache
def tracked() -> list[str]:
    """Files that git knows, or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    git = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if git.returncode:
        pytest.skip("not a git checkout")
    return [name for name in git.stdout.splitlines() if (ROOT / name).exists()]


@functools.cache
def anchors(path: Path) -> set[str]:
    """The fragments that GitHub gives the headings of a page."""
    tokens = list(MarkdownIt("commonmark").enable("table").parse(path.read_text()))
    titles = [after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(page: Page) -> list[str]:
    found = []
    for token in page.tokens():
        target = str(token.attrGet("href") or token.attrGet("src") or "")
        if not target or re.match(r"\w+:", target) or (page.name == "README.md" and target.startswith(GITHUB_PAGES)):
            continue
        path, _, fragment = target.partition("#")
        file = (page.folder / path).resolve() if path else ROOT / page.name
        if not file.exists():
            found.append(f"{target}: there is no such file")
        elif fragment and fragment not in anchors(file):
            found.append(f"{target}: there is no such heading")
    return found


def missing_paths(page: Page) -> list[str]:
    """Words of code that name a file of this repository: by its path from the root or the page, or by its name."""
    top = {name.split("/")[0] for name in tracked()}
    names = {Path(name).name for name in tracked()}
    code = [*page.inline_code(), *page.fences("bash")]
    found = []
    for word in {word.rstrip(".,:") for text in code for word in text.split()}:
        first, slash, rest = word.removeprefix("./").partition("/")
        if slash and first in top and re.fullmatch(r"[\w./-]*", rest):
            found += [] if (ROOT / word).exists() else [f"{word}: there is no such path"]
        elif FILE_NAME.fullmatch(word):
            found += [] if word in names else [f"{word}: no file has this name"]
    return sorted(found)


def missing_tests(page: Page) -> list[str]:
    return [name for name in page.inline_code() if re.fullmatch(r"test_\w+", name) and name not in defined_tests()]


def wrong_runs(page: Page) -> list[str]:
    """Tests of the failure matrix of which it does not say when they run, or otherwise than their marks."""
    rows = dict(re.findall(r"`(test_\w+)`<br>([\w ]+) ·", page.text))
    named = [name for name in page.inline_code() if name.startswith("test_")]
    return [name for name in named if MATRIX_RUNS.get(rows.get(name, "")) != defined_tests().get(name)]


@functools.cache
def defined_tests() -> dict[str, str]:
    """Each test function's name, and its mark `nightly` or `chaos`; empty for a test of the default run."""
    found = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text())
        assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
        whole = [ast.unparse(node.value) for node in assigned if _names(node) == ["pytestmark"]]
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                # Not the marks of single parameters: the others of the test are in the default run.
                marks = [text for mark in node.decorator_list if "(" not in (text := ast.unparse(mark))]
                long = re.search(r"pytest\.mark\.(nightly|chaos)", " ".join([*marks, *whole]))
                found[node.name] = long[1] if long else ""
    return found


def _names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def unknown_flags(page: Page) -> list[str]:
    """Flags of commands that their script does not know; on the scripts' own page, flags that no script knows."""
    found = []
    for words in page.commands():
        for position, word in enumerate(words):
            known = flags(Path(word).name)
            if known is not None:
                given = {each.split("=")[0] for each in words[position + 1 :] if each.startswith("--")}
                found += [f"{word} {flag}" for flag in sorted(given - known)]
    if page.name == "ray_jobs/README.md":
        every = set().union(*(flags(path.name) or set() for path in SCRIPTS))
        given = {text.split()[0] for text in page.inline_code() if text.startswith("--")}
        found += sorted(given - every)
    return found


@functools.cache
def flags(script: str) -> set[str] | None:
    """The flags of one of the scripts, by its file name; None: it is none of them."""
    path = next((path for path in SCRIPTS if path.name == script), None)
    if path is None:
        return None
    shown = io.StringIO()
    # In this process, since what the scripts import for --help is light and most of it is here already.
    with patch.object(sys, "argv", [script, "--help"]), redirect_stdout(shown), suppress(SystemExit):
        runpy.run_path(str(path), run_name="__main__")
    return set(re.findall(r"--[a-z][a-z-]*", shown.getvalue()))


def unknown_markers(page: Page) -> list[str]:
    """Commands of pytest with a marker that pyproject.toml does not register."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", default="")
    found = []
    for words in page.commands():
        if "pytest" in words:
            given, _ = parser.parse_known_args(words[words.index("pytest") + 1 :])
            found += sorted(set(re.findall(r"\w+", given.m)) - markers() - {"and", "not", "or"})
    return found


@functools.cache
def markers() -> set[str]:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    return {marker.split(":")[0] for marker in options["markers"]}


def other_pool_sizes(page: Page) -> list[str]:
    """A pool of another size than the deployment's; N stands for a number of the reader's own."""
    default = re.search(r"^RAY_POOL_SLOTS=(\d+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert default
    return [size for size in re.findall(r"airflow pools set ray (\d+)", page.text) if size != default[1]]


def broken_examples(page: Page) -> list[str]:
    """Python examples that do not run."""
    found = []
    for block in page.fences("python"):
        try:
            exec(compile(block, page.name, "exec"), {"__name__": "example"})
        except Exception as error:
            found.append(f"{block.splitlines()[0]}...: {error!r}")
    return found


Rule = Callable[[Page], list[str]]
FALSE: list[tuple[Rule, str]] = [
    (dead_links, "[the Dags](dag/README.md)"),
    (dead_links, "[the Dags](dags/README.md#in-stall)"),
    (dead_links, "[below](#nowhere)\n\n# Somewhere"),
    (dead_links, "![a picture](.github/images/none.png)"),
    (missing_paths, "See `ray_jobs/ingest/none`."),
    (missing_paths, "See `none.py`."),
    (missing_paths, "```bash\nuv run pytest tests/test_none.py\n```"),
    (missing_tests, "`test_that_is_not_there`"),
    (wrong_runs, "| a | b | `test_a_ray_head_that_is_replaced`<br>every run · A+R |"),
    (wrong_runs, "| a | b | `test_a_worker_killed_around_its_submit`<br>chaos · A+R |"),
    (wrong_runs, "| a | b | `test_a_worker_killed_around_its_submit`<br>often · A+R |"),
    (unknown_flags, "```bash\nuv run python ray_jobs/search.py \\\n  --milvus-url http://here question\n```"),
    (unknown_flags, "`ingest_pdfs.py --only-failing`"),
    (unknown_flags, "`--only-failing`"),
    (unknown_markers, "`uv run pytest -m 'chaos and mayhem'`"),
    (other_pool_sizes, "`airflow pools set ray 7`"),
    (broken_examples, "```python\nfrom airflow_ray import NoOperator\n```"),
]
RULES = list(dict.fromkeys(rule for rule, _ in FALSE))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_pages_tell_the_truth(rule: Rule) -> None:
    pages = [Page(name, (ROOT / name).read_text()) for name in tracked() if name.endswith(".md")]
    assert {page.name: found for page in pages if (found := rule(page))} == {}


@pytest.mark.parametrize(("rule", "text"), FALSE, ids=lambda value: getattr(value, "__name__", ""))
def test_a_false_statement_is_found(rule: Rule, text: str) -> None:
    name = "ray_jobs/README.md" if rule is unknown_flags else "README.md"
    assert rule(Page(name, text)) != []


def test_the_dags_pages_name_the_same_pool() -> None:
    sources = [path for folder in ("dags", "plugins") for path in (ROOT / folder).rglob("*.py")]
    assert any("airflow pools set ray" in path.read_text() for path in sources)
    assert [path.name for path in sources if other_pool_sizes(Page(path.name, path.read_text()))] == []


def test_the_dags_page_lists_the_variables_that_the_dags_read() -> None:
    texts = [path.read_text() for folder in ("dags", "plugins/ray_ingest") for path in (ROOT / folder).glob("*.py")]
    texts += [template for pipeline in COLLECTIONS for template in model_flags(pipeline).values()]
    read = {
        name
        for text in texts
        for name in re.findall(r"""(?:var\.value\.get|Variable\.get|variable)\(['"](\w+)['"]""", text)
    }
    read |= {f"ingest_schedule_{pipeline}" for pipeline in COLLECTIONS}
    rows = re.findall(r"^\| (`(?:ingest|ray_jobs)_.*?) \|", (ROOT / "dags" / "README.md").read_text(), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row) if name not in _dags()} == read


def _dags() -> set[str]:
    return {path.stem for path in (ROOT / "dags").glob("*.py")}


def test_the_pipelines_of_images_and_videos_do_without_pymupdf() -> None:
    """As the README's section on licences says: it is imported below ingest.pdf, and for thumbnails of search hits."""
    packages = {
        path.relative_to(ROOT / "ray_jobs").parts[1]
        for path in (ROOT / "ray_jobs").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if "pymupdf" in _imported(node)
    }
    assert packages == {"pdf", "search"}


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            return [node.module or ""]
    return []
