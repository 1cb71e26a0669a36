"""Flags as data: one declaration defines the scripts' parsers, the Dags' forms and the tables of the documents."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ingest.common.errors import ExitCode
from ingest.common.text import NOT_UTF8


@dataclass(frozen=True, slots=True)
class ValueType:
    """The type of a flag's value.

    Attributes:
        parse: turns the text of a flag into its value; raises ValueError or argparse.ArgumentTypeError.
        schema: JSON Schema of the value in a Dag's form; it does not allow null.
    """

    parse: Callable[[str], Any]
    schema: Mapping[str, Any]


def _number(parse: Callable[[str], float], valid: Callable[[float], bool], complaint: str) -> Callable[[str], Any]:
    def checked(text: str) -> float:
        try:
            value = parse(text)
        except ValueError:
            kind = "a whole number" if parse is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {kind}") from None
        if not valid(value):
            raise argparse.ArgumentTypeError(f"{text} {complaint}")
        return value

    return checked


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON") from None


def _integers(text: str) -> dict[str, Any]:
    value = _json(text)
    if not isinstance(value, dict) or not all(type(number) is int for number in value.values()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a JSON object of integers")
    return value


TEXT = ValueType(str, {"type": "string"})
SWITCH = ValueType(bool, {"type": "boolean"})
COUNT = ValueType(_number(int, lambda value: value >= 1, "is not positive"), {"type": "integer", "minimum": 1})
COUNT_OR_ZERO = ValueType(_number(int, lambda value: value >= 0, "is negative"), {"type": "integer", "minimum": 0})
POSITIVE = ValueType(
    _number(float, lambda value: 0 < value < math.inf, "is not a positive number"),
    {"type": "number", "exclusiveMinimum": 0},
)
FRACTION = ValueType(
    _number(float, lambda value: 0 <= value <= 1, "is not between 0 and 1"),
    {"type": "number", "minimum": 0, "maximum": 1},
)
JSON_OBJECT = ValueType(_json, {"type": "object"})
INTEGERS = ValueType(_integers, {"type": "object"})


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of a script.

    Attributes:
        name: its name without dashes.
        help: whole sentences, without the default.
        type: type of its value; `SWITCH` for a flag without a value.
        default: its value if it is not given.
        metavar: name of the value in documents.
        choices: the values that it accepts; empty for any.
        const: its value if it is given without one; None if it needs a value.
        required: whether it must be given.
        repeated: whether it may be given several times; its value is then a list.
        title: name of its field in the Dags' forms; empty if they have none.
        rare: whether its field stands among those that are rarely needed.
        may_be_path: whether the value may be the path of a file or folder that the script reads.
        site_default: whether the Airflow Variable `ingest_<name>` may set another default for a site.
    """

    name: str
    help: str
    type: ValueType = TEXT
    default: Any = None
    metavar: str = ""
    choices: tuple[str, ...] = ()
    const: str | None = None
    required: bool = False
    repeated: bool = False
    title: str = ""
    rare: bool = False
    may_be_path: bool = False
    site_default: bool = False

    @property
    def help_with_default(self) -> str:
        """The help text with the default, for `--help` and the documents."""
        if self.default in (None, "", False) or self.required:
            return self.help
        shown = f"{self.default:g}" if isinstance(self.default, float) else self.default
        return f"{self.help} Default: {shown}."

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Add the flag to a parser of argparse."""
        text = self.help_with_default.replace("%", "%%")
        if self.type is SWITCH:
            parser.add_argument(f"--{self.name}", action="store_true", help=text)
            return
        more: dict[str, Any] = {"choices": self.choices} if self.choices else {"metavar": self.metavar}
        if self.const is not None:
            more |= {"nargs": "?", "const": self.const}
        if self.repeated:
            more["action"] = "append"
        parser.add_argument(
            f"--{self.name}", type=self.type.parse, default=self.default, required=self.required, help=text, **more
        )

    def form_field(self) -> dict[str, Any]:
        """The description of the flag for a Dag's form, as plain JSON."""
        schema = dict(self.type.schema)
        if self.choices:
            schema["enum"] = list(self.choices)
        return {
            "flag": self.name,
            "title": self.title,
            "rare": self.rare,
            "help": self.help,
            "schema": schema,
            "default": self.default,
            "site_default": self.site_default,
        }


def as_typed(word: str) -> str:
    """A word of a command line in UTF-8, which stores and Milvus know, also where the locale has other characters.

    What names a file on this machine stays as it is: only so can it be opened in that locale.
    """
    if not NOT_UTF8.search(word):
        return word
    _, _, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if os.path.lexists(value.removeprefix("file://")):
        return word
    return os.fsencode(word).decode(errors="surrogateescape")


class FlagParser(argparse.ArgumentParser):
    """Reports a wrong flag like every error of a job: as one sentence after `ERROR: `, and not as usage text."""

    def __init__(self, description: str, flags: Iterable[Flag] = ()) -> None:
        super().__init__(description=description)
        for flag in flags:
            flag.add_to(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it, with words `as_typed`."""
        return super().parse_known_args(
            [as_typed(word) for word in (sys.argv[1:] if args is None else args)], namespace
        )

    def error(self, message: str) -> NoReturn:
        print(f"ERROR: bad arguments: {message}; see --help", file=sys.stderr, flush=True)
        sys.exit(ExitCode.CONFIGURATION)
