"""The queries of `.monitoring`: those of the board, the recording rules and the alerts, and what each of them needs."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import promql_parser
import yaml

FOLDER = Path(__file__).resolve().parents[1] / ".monitoring"
COMPARISONS = {"==", "!=", ">", "<", ">=", "<=", "unless"}


@dataclass(frozen=True)
class Query:
    """A query: `name` says where it is, `record` is the metric that it makes, `legend` are the labels that it shows."""

    name: str
    expression: str
    record: str = ""
    is_alert: bool = False
    legend: frozenset[str] = field(default_factory=frozenset)

    def needs(self) -> list[tuple[str, set[str]]]:
        """Each metric that it reads, with the labels that it names in its selector or around it."""
        found: list[tuple[str, set[str]]] = []
        _collect(promql_parser.parse(self.expression), set(self.legend), found)
        return found

    def operands(self) -> list[str]:
        """What has a value although nothing is wrong: the sides of a comparison, or the whole query.

        Of a value and one a day before, both are now: the test's Prometheus is minutes old.
        """
        return [re.sub(r" offset \w+", "", str(part)) for part in _operands(promql_parser.parse(self.expression))]


def _collect(node: Any, around: set[str], found: list[tuple[str, set[str]]]) -> None:
    if isinstance(node, promql_parser.VectorSelector):
        found.append((node.name, around | {matcher.name for matcher in node.matchers.matchers}))
    elif isinstance(node, promql_parser.AggregateExpr):
        # An aggregation passes on the labels of its `by`, and no others.
        _collect(node.expr, set(node.modifier.labels) if node.modifier else set(), found)
    else:
        for name in ("lhs", "rhs", "expr", "vector_selector"):
            if hasattr(node, name):
                _collect(getattr(node, name), around, found)
        for argument in getattr(node, "args", ()):
            _collect(argument, around, found)


def _operands(node: Any) -> Iterator[Any]:
    if isinstance(node, promql_parser.ParenExpr):
        yield from _operands(node.expr)
    elif isinstance(node, promql_parser.BinaryExpr) and str(node.op) in COMPARISONS:
        yield from _operands(node.lhs)
        if str(node.op) != "unless":
            yield from _operands(node.rhs)
    else:
        yield node


def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "grafana" / "dashboards" / "ingestion.json").read_text())
    return found


def rules() -> list[Mapping[str, Any]]:
    groups = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[Query]:
    """All of them, the rules first."""
    found = [
        Query(str(rule.get("record") or rule["alert"]), rule["expr"], rule.get("record", ""), "alert" in rule)
        for rule in rules()
    ]
    for panel in board()["panels"]:
        for target in panel.get("targets", ()):
            legend = frozenset(part.partition("}}")[0] for part in target["legendFormat"].split("{{")[1:])
            found.append(Query(f"{panel['title']} {target['refId']}", target["expr"], legend=legend))
    return found
