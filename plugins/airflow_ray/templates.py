"""Functions for a Dag's ``user_defined_macros``."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk.exceptions import AirflowFailException


def required(value: Any, sentence: str) -> Any:
    """The value, or the end of the task with that one sentence when it is None or empty.

    For templates: ``{{ required(partition_key, 'Trigger this Dag with a partition key.') }}``. A retry would render
    the same, so the task fails at once.
    """
    if value is None or value == "":
        logging.getLogger("airflow.task").error("%s", sentence)
        raise AirflowFailException(sentence)
    return value
