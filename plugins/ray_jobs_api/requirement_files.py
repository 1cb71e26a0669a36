"""Reads lists of packages that lie on this machine: the Jobs API would look for them on the head.

Ray's own client reads the files of ``pip``, ``uv`` and ``conda`` before it submits a job. So does this module, with the
parts of pip's file format that Ray leaves to a pip that runs on another machine: files that name further files.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Options that name a file of requirements, in each form that pip takes.
_FILE_OPTION = re.compile(r"(-r|--requirement)(?:\s*=\s*|\s+|(?<=-r))(?P<path>.+)")
#: Options whose value is a path unless it is a URL, and requirements that are paths.
_LOCAL = re.compile(r"(-e|--editable|-c|--constraint)\b(?!.*(://|\$\{))|(\.{1,2}(/|$)|file:)", re.I)
_OPTION = re.compile(r"(--(?P<name>[a-z-]+)(\s*=\s*|\s+)|-[a-z]\s*=?\s*)(?P<value>.+)", re.I)
_COMMENT = re.compile(r"(^|\s+)#.*$")  # pip/_internal/req/req_file.py, COMMENT_RE
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def with_requirements(runtime_env: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """The environment with the content of the files that its ``pip``, ``uv`` and ``conda`` name.

    A relative path is looked for in ``folders``, in this order. Raises ``ValueError`` with one sentence for a file that
    does not exist or cannot be sent to another machine.
    """
    resolved = dict(runtime_env)
    for field in ("pip", "uv"):
        if (value := runtime_env.get(field)) is not None:
            if not isinstance(value, Mapping):
                resolved[field] = _packages(field, value, folders)
            elif "packages" in value:
                resolved[field] = {**value, "packages": _packages(field, value["packages"], folders)}
    if (conda := runtime_env.get("conda")) is not None:
        resolved["conda"] = _conda(conda, folders)
    return resolved


def _packages(field: str, value: Any, folders: Sequence[Path]) -> list[str]:
    """The requirements of a field, which are a list or the path of a file."""
    role = f"runtime_env['{field}']"
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        path = _find(role, str(value), folders, "; a package without a file is written as a list")
        return list(_expanded(role, _lines(role, path), (path.parent,), (path.resolve(),)))
    lines = list(value) if isinstance(value, Iterable) else [value]
    if not all(isinstance(line, str) for line in lines):
        raise ValueError(f"{role} must be a list of requirements or the path of a file, not {value!r}.")
    return list(_expanded(role, lines, folders, ()))


def _expanded(role: str, lines: Iterable[str], folders: Sequence[Path], above: tuple[Path, ...]) -> Iterator[str]:
    """The requirements in lines, with those of the files that they name; ``above`` are the files on the way here."""
    for line in lines:
        text = _COMMENT.sub("", line).strip()
        if (option := _FILE_OPTION.fullmatch(text)) and "${" not in text and "://" not in text:
            path = _find(role, option["path"].strip("\"' "), folders)
            if path.resolve() in above:
                raise ValueError(f"{role}: {path} names itself, directly or through another file.")
            yield from _expanded(role, _lines(role, path), (path.parent,), (*above, path.resolve()))
        elif _is_local(text, folders):
            raise ValueError(
                f"{role} holds {text!r}, which names something on the machine that submits the job: build a wheel for "
                "'py_modules', or put it where the Ray nodes can fetch it."
            )
        elif text:
            yield text


def _is_local(text: str, folders: Sequence[Path]) -> bool:
    """Whether a line names something on this machine: by itself, or as the value of any option of pip."""
    if _LOCAL.match(text):
        return True
    option = _OPTION.fullmatch(text)
    if option is None or (option["name"] or "").endswith("-binary"):  # the values of --no-binary are packages
        return False
    value = option["value"].strip("\"' ")
    if value.startswith(("./", "../", "/", "~", "file:")):
        return True
    with suppress(OSError):  # a value that is too long for a path
        return any((folder / value).exists() for folder in folders)
    return False


def _lines(role: str, path: Path) -> list[str]:
    """The lines of a requirements file; those that end in a backslash go on in the next one."""
    return re.sub(r"\\\r?\n", " ", _read(role, path)).splitlines()


def _conda(value: Any, folders: Sequence[Path]) -> Any:
    """The value of ``conda``: the content of a YAML file, or else what it was, such as an environment's name."""
    role = "runtime_env['conda']"
    if str(value).endswith((".yml", ".yaml")) and not isinstance(value, Mapping):
        import yaml

        path = _find(role, str(value), folders)
        try:
            value = yaml.safe_load(_read(role, path))
        except yaml.YAMLError as error:
            raise ValueError(f"{role}: {path} is not YAML: {' '.join(str(error).split())}.") from None
        if not isinstance(value, dict):
            raise ValueError(f"{role}: {path} is not the file of a conda environment.")
        folders = (path.parent,)
    if not isinstance(value, Mapping) or not isinstance(dependencies := value.get("dependencies"), list):
        return value
    expanded = [
        {**each, "pip": list(_expanded(role, each["pip"], folders, ()))} if _has_pip(each) else each
        for each in dependencies
    ]
    return {**value, "dependencies": expanded}


def _has_pip(dependency: Any) -> bool:
    return isinstance(dependency, Mapping) and isinstance(dependency.get("pip"), list)


def _find(role: str, name: str, folders: Sequence[Path], hint: str = "") -> Path:
    for folder in folders:
        if (path := folder / name).is_file():
            return path
    where = " or ".join(map(str, folders)) if folders and not Path(name).is_absolute() else "the submitting machine"
    raise ValueError(f"{role} names the file {name!r}, which is not in {where}{hint}.")


def _read(role: str, path: Path) -> str:
    """The text of a file, which Windows may have written as UTF-16."""
    try:
        content = path.read_bytes()
        for bom, encoding in _BOMS.items():
            if content.startswith(bom):
                return content[len(bom) :].decode(encoding)
        return content.decode()
    except OSError as error:
        raise ValueError(f"{role}: {path} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise ValueError(f"{role}: {path} is not a text in UTF-8.") from None
