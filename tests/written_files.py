"""Small text files for tests."""

from pathlib import Path


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write the texts into files of these names in and below the folder; returns the folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
