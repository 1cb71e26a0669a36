"""Tell an object that cannot be read from a store that does not answer.

An answer about one object fails that object; only when the store as a whole does not answer does the run end. After an
answer such as 400 or 403 the store is up if it lists the source. After a 500 or content that breaks off, it is up if it
delivers another object: in an outage of its disks, many a store still lists. Usually the evidence is there already,
because the process has read another object in the meantime. Otherwise one page of the listing is read, and the first
byte of a few of its objects, chosen at random, since neighbours may lie on the same broken disk.
"""

from __future__ import annotations

import random
import threading
import time
from functools import lru_cache

from ingest.store.access import split_s3
from ingest.store.answers import is_fault
from ingest.store.object_store import explain, first_page, s3_client
from ingest.store.versions import listed_size

PROBED_OBJECTS = 5
"""Objects of which none can be read before the store counts as away."""

LISTING_SECONDS = 30.0
"""How long a listing proves that the store accepts requests: so many refused objects do not cost a listing each."""


class StoreProbe:
    """The evidence of one process that the store of a source answers. Its methods may be called from any thread."""

    def __init__(self, source: str) -> None:
        self._bucket, self._prefix = split_s3(source)
        self._lock = threading.Lock()
        self._listed_at = self._read_at = float("-inf")
        self._read_key = ""

    def has_read(self, key: str) -> None:
        """Note that an object was read."""
        self._read_at, self._read_key = time.monotonic(), key

    def assert_accepts(self) -> None:
        """Return if the store accepts requests.

        Raises:
            UnreachableError, ConfigurationError: it does not.
        """
        with self._lock:
            if max(self._read_at, self._listed_at) < time.monotonic() - LISTING_SECONDS:
                self._list()

    def assert_delivers(self, key: str, since: float, error: Exception) -> None:
        """Return if the store has delivered another object than `key` since the time `since`, or does so now.

        Args:
            since: a time of `time.monotonic`.
            error: the error of reading `key`.

        Raises:
            UnreachableError, ConfigurationError: it does not.
        """
        from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError
        from urllib3.exceptions import HTTPError

        with self._lock:
            if self._read_at >= since and self._read_key != key:
                return
            listed = [other for other in self._list() if other != key]
            known = [self._read_key] if self._read_key not in ("", key) else []
            failed = 0
            for other in (known + random.sample(listed, min(len(listed), PROBED_OBJECTS)))[:PROBED_OBJECTS]:
                try:
                    s3_client().get_object(Bucket=self._bucket, Key=other, Range="bytes=0-0")["Body"].read()
                except ClientError as answer:
                    # An answer about that object alone proves nothing.
                    failed += is_fault(answer)
                except FlexibleChecksumError:  # the checksum may be that of the whole object, and not of this byte
                    self.has_read(other)
                    return
                except (BotoCoreError, HTTPError, ConnectionError, ValueError, OverflowError):
                    failed += 1
                else:
                    self.has_read(other)
                    return
            if failed:
                raise explain(error, self._bucket)

    def _list(self) -> list[str]:
        """The first keys under the source that have content."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            entries = first_page(self._bucket, self._prefix)
        except (BotoCoreError, ClientError, ValueError) as error:
            raise explain(error, self._bucket) from None
        self._listed_at = time.monotonic()
        return [item["Key"] for item in entries if listed_size(item)]


@lru_cache(maxsize=8)
def probe_of(source: str) -> StoreProbe:
    """The probe of this process for a source, which is an `s3://` URI."""
    return StoreProbe(source)
