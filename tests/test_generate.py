"""The generated files are those that the declarations give."""

from generate import REPOSITORY, generated


def test_generated_files_are_current():
    stale = [
        str(path.relative_to(REPOSITORY))
        for path, content in generated().items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]
    assert not stale, "run: uv run python tests/generate.py"
