"""The object store that the code under test finds in its environment, as in production."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import pytest

from ingest.store import object_store
from ingest.store.probe import probe_of


@contextmanager
def store_client(environment: Mapping[str, str], **settings: Any) -> Iterator[None]:
    """New clients go to the store that `environment` names, whatever this machine and earlier tests have set up.

    settings: constants of `ingest.store.object_store` by which it makes a client, such as REQUEST_ATTEMPTS.
    """
    files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**environment, **files, "AWS_EC2_METADATA_DISABLED": "true"}.items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)  # it would keep the credentials of the test before
        for name, value in settings.items():
            patch.setattr(object_store, name, value)
        _forget()
        try:
            yield
        finally:
            _forget()


def _forget() -> None:
    object_store.s3_client.cache_clear()
    probe_of.cache_clear()
