"""The paths on a command line for a script that runs on another machine."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from ingest.run.flags import Flag
from ingest.store.local_files import found_path


def with_absolute_paths(
    argv: Sequence[str], arguments: Namespace, flags: Sequence[Flag]
) -> tuple[list[str], list[str]]:
    """The command line with absolute paths for everything on this machine, and these paths."""
    words, local = list(argv), []
    for flag in {flag.name: flag for flag in flags if flag.may_be_path}.values():
        given = vars(arguments)[flag.name.replace("-", "_")] or ()
        values = given if flag.repeated else [given] if given else ()
        paths = [_absolute(value) for value in values]
        if found := [path for path in paths if path]:
            if flag.repeated:  # another value does not replace the given ones
                words = _without(words, flag)
            words += [f"--{flag.name}={path or value}" for path, value in zip(paths, values, strict=True)]
            local += found
    return words, local


def _absolute(value: str) -> str:
    """The value with an absolute path if it names something on this machine, or else an empty string."""
    schema, path = ("local-dir:", value[10:]) if value.startswith("local-dir:") else ("", value)
    if not path or ("://" in path and not path.startswith("file://")):
        return ""
    try:
        found = found_path(path)
        return f"{schema}{found.absolute()}" if found.exists() else ""
    except OSError:  # such as a name that is too long for a path
        return ""


def _without(words: Sequence[str], flag: Flag) -> list[str]:
    """The command line without this flag."""
    parser = ArgumentParser(add_help=False)
    flag.add_to(parser)
    return parser.parse_known_args(words)[1]
