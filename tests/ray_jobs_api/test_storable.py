"""Any report of a job passes all ways in which Airflow stores it: events, XComs, a database."""

import json
from typing import Any

import msgspec
import pytest
from airflow.sdk.serde import deserialize, serialize

from ray_jobs_api.job_outcome import JobOutcome
from ray_jobs_api.job_output import MAX_REPORT_LENGTH, OutputDigest
from ray_jobs_api.storable import MAX_DEPTH, load_storable_json, storable_text


def reported(behind: str) -> Any:
    return OutputDigest().add_all(["REPORT " + behind]).report


@pytest.mark.parametrize(
    ("behind", "report"),
    [
        ('{"a": 9223372036854775807}', {"a": 2**63 - 1}),
        ('{"a": -9223372036854775808}', {"a": -(2**63)}),
        ('{"a": 9223372036854775808}', {"a": "9223372036854775808"}),
        ('{"a": [123456789012345678901234567890]}', {"a": ["123456789012345678901234567890"]}),
        ('{"a": ' + "9" * 5000 + "}", {"a": "9" * 5000}),
        ('{"a": NaN, "b": Infinity, "c": [-Infinity, 1e999, 1.5]}', {"a": None, "b": None, "c": [None, None, 1.5]}),
        (r'{"a": "x\ud800y", "\udfff": 1}', {"a": "x�y", "�": 1}),
        (r'{"a": "\ud83d\ude00"}', {"a": "😀"}),
        (r'{"a": "nul \u0000 nul"}', {"a": "nul � nul"}),
        ('{"__classname__": "os.system", "__type": 1, "__var": 2}', {"classname__": "os.system", "type": 1, "var": 2}),
    ],
)
def test_a_report_of_any_values_can_be_stored(behind, report):
    assert reported(behind) == report
    event = JobOutcome("job", "SUCCEEDED", report=reported(behind)).to_event()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event)) == event
    assert deserialize(json.loads(json.dumps(serialize(event), allow_nan=False))) == event
    assert "\\u0000" not in json.dumps(event)


def test_deep_values_are_cut_and_endless_ones_refused():
    deep = reported('{"a": ' + "[" * 200 + "]" * 200 + "}")
    assert json.dumps(deep).count("[") == MAX_DEPTH - 1
    assert f"nested deeper than {MAX_DEPTH}" in json.dumps(deep)
    digest = OutputDigest().add_all(['REPORT {"a": ' + "[" * 400_000])
    assert (digest.report, digest.report_problem) == (None, "Its last REPORT does not count: it is nested too deep.")


@pytest.mark.parametrize("behind", ["{broken", "[1]", json.dumps({"a": "x" * MAX_REPORT_LENGTH})])
def test_a_report_that_does_not_count_is_named(behind):
    digest = OutputDigest().add_all(['REPORT {"good": 1}', "REPORT " + behind])
    assert digest.report == {"good": 1}
    assert digest.report_problem == (
        "Its last REPORT does not count: it is not a JSON object of at most 1,000,000 characters."
    )
    assert digest.add_all(['REPORT {"better": 1}']).report_problem is None


def test_text_keeps_its_length():
    assert storable_text("a\x00b\ud800c\udc00") == "a�b�c�"
    assert load_storable_json('"plain"') == "plain"
