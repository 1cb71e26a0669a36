"""Read one object of an S3 store at the version that was listed, and tell its failure from one of the store."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote

from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.text import one_line, printable
from ingest.store.access import split_s3
from ingest.store.answers import is_fault, is_web_page, status
from ingest.store.content_encoding import encodings
from ingest.store.object_store import explain, first_page, s3_client
from ingest.store.probe import StoreProbe, probe_of
from ingest.store.refusals import EXPIRED, is_expired, is_spent
from ingest.store.versions import condition, is_version, listed_version

T = TypeVar("T")

Attempt = Callable[[bool], str]
"""Asks for an object once, and checks its version or not; returns its Content-Encoding."""

READ_ATTEMPTS = 4
"""Attempts per object. botocore retries requests; a connection that breaks while the body is read is retried here, and
a store that has asked for patience is given more."""

READ_SECONDS = 120.0
"""No further attempt begins after this time: a store that says nothing lets one attempt take five minutes."""

_ARCHIVED = re.compile(r"InvalidObjectState|ActiveTier|AccessTier|archive|restore|rehydrat|glacier", re.I)
"""In a code: S3's and those of other stores, such as Oracle's NotRestored and Azure's BlobBeingRehydrated."""

_BEING_RESTORED = re.compile(r"InProgress|Being", re.I)
_FORBIDDEN = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidPayer", "403", "401"}
_CUSTOMER_KEY = re.compile(r"server.side.encryption|customer.{0,20}key|sse-?c\b|encrypted", re.I)
"""Words of a store that wants the key with which the object was encrypted, which only its owner has (SSE-C)."""


def changed() -> ObjectError:
    """The failure of an object that is not at its listed version any more."""
    return ObjectError(Failure.CHANGED_DURING_RUN, "the object changed after it was listed")


class _BrokenBodyError(Exception):
    """The content has another length than the listing says."""


class _OtherVersionError(Exception):
    """The answer has another version than the one that was listed."""


def _is_passing(error: BaseException) -> bool:
    """Whether another attempt may help: the connection broke, the content was wrong, or the store was busy."""
    from botocore.exceptions import ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError
    from urllib3.exceptions import HTTPError

    if isinstance(error, ClientError):
        return status(error) in (429, 503)
    broken = (HTTPClientError, HTTPError, ConnectionError, IncompleteReadError, FlexibleChecksumError, _BrokenBodyError)
    return isinstance(error, broken)


@dataclass(slots=True)
class S3Object:
    """One object of an S3 store.

    Attributes:
        source: its `s3://` URI.
        version, size: as they were listed; size 0 if it is not known.
        under: an `s3://` URI under which other objects show whether the store answers.
        sleep: waits between attempts.
        began: time of the last attempt to read the object, of `time.monotonic`.
        asked_for: its key in requests, if that is not the listed one.
        headers: its user metadata, as soon as the store has answered.
    """

    source: str
    version: str
    size: int
    under: str
    sleep: Callable[[float], None]
    began: float = 0.0
    asked_for: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def bucket(self) -> str:
        return split_s3(self.source)[0]

    @property
    def key(self) -> str:
        return split_s3(self.source)[1]

    def read(self, consume: Callable[[Any], int]) -> str:
        """Pass the object's body, which is a stream, to `consume`, which returns the number of its bytes.

        Returns:
            The Content-Encoding.

        Raises:
            ObjectError: the object cannot be read, although the store answers.
            UnreachableError, ConfigurationError: the store itself fails; no object is to blame.
        """
        encoding = self._answered(lambda: self._read_by_name(partial(self._attempt, consume)))
        probe_of(self.under).has_read(self.key)
        return encoding

    def look(self) -> None:
        """Ask for the user metadata of the object. Raises what `read` does."""
        self._answered(lambda: self._read_by_name(self._look))

    def tags(self) -> list[Mapping[str, str]]:
        """The tags of the object, whatever its version. Raises what `read` does."""
        from botocore.exceptions import ClientError

        def ask() -> list[Mapping[str, str]]:
            self.began = time.monotonic()
            try:
                found = s3_client().get_object_tagging(Bucket=self.bucket, Key=self.key)
            except ClientError as error:
                if str(error.response.get("Error", {}).get("Code", "")).startswith("NoSuchTagSet"):
                    return []  # Amazon's own store answers with an empty set
                raise
            return list(found.get("TagSet") or ())

        return self._answered(lambda: self._retrying()(ask))

    def _answered(self, ask: Callable[[], T]) -> T:
        """What `ask` returns, with the exceptions of boto3 as those of `read`."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
        from urllib3.exceptions import HTTPError

        probe = probe_of(self.under)
        try:
            return ask()
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise explain(error, self.bucket) from None
        except ClientError as error:
            raise self._refused(error, probe) from None
        except (BotoCoreError, HTTPError, ConnectionError, _BrokenBodyError) as error:
            probe.assert_delivers(self.key, self.began, error)
            raise ObjectError(
                Failure.UNREADABLE,
                f"its content does not arrive whole, although the store answers ({one_line(error, 160)})",
            ) from None
        except (ValueError, OverflowError) as error:  # a header that is no number, or a huge one
            probe.assert_accepts()
            raise ObjectError(Failure.UNREADABLE, f"the answer makes no sense ({one_line(error, 160)})") from None

    def _read_by_name(self, attempt: Attempt) -> str:
        """Read the object; a store that does not say so, such as older Ceph, has percent-encoded its listed key."""
        from botocore.exceptions import ClientError

        try:
            return self._read_version(attempt)
        except ClientError as error:
            self.asked_for = unquote(self.key)
            if status(error) != 404 or self.asked_for == self.key:
                raise
            try:
                return self._read_version(attempt)
            except ClientError:
                raise error from None

    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception(_is_passing),
            stop=stop_after_attempt(READ_ATTEMPTS) | stop_after_delay(READ_SECONDS),
            wait=wait_random_exponential(),  # up to 1, 2 and 4 s
            sleep=self.sleep,
            reraise=True,
        )

    def _read_version(self, attempt: Attempt) -> str:
        from botocore.exceptions import ClientError

        retrying = self._retrying()
        try:
            return retrying(attempt, True)
        except _OtherVersionError:
            pass
        except ClientError as error:
            if status(error) != 412:
                raise
        # Some stores list another ETag than the one that they compare with If-Match, or answer with (SeaweedFS 3.97
        # for objects of earlier releases). Then only the listing tells whether the object has changed.
        if self._is_listed():
            encoding = retrying(attempt, False)
            if self._is_listed():
                return encoding
        raise changed()

    def _attempt(self, consume: Callable[[Any], int], checked: bool) -> str:
        self.began = time.monotonic()
        arguments = condition(self.version) if checked else {}
        answer = s3_client().get_object(Bucket=self.bucket, Key=self.asked_for or self.key, **arguments)
        with closing(answer["Body"]) as body:
            if answer["ResponseMetadata"]["HTTPStatusCode"] == 206:  # a cache holds no more of it
                raise _BrokenBodyError("only a part of it")
            if checked and not is_version(self.version, answer):
                raise _OtherVersionError
            length = consume(body)
        self.headers = answer.get("Metadata") or {}
        encoding = str(answer.get("ContentEncoding", ""))
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        # Google's store decompresses objects on their way unless it is asked not to.
        is_stored = not encodings(encoding) and not encodings(headers.get("x-goog-stored-content-encoding"))
        is_vouched_for = answer.get("ContentLength") is not None and answer.get("ETag")
        if is_stored and self.size and length != self.size and not is_vouched_for:
            raise _BrokenBodyError(f"{length} bytes instead of {self.size}")
        return encoding

    def _look(self, checked: bool) -> str:
        """As `_attempt`, without the content."""
        self.began = time.monotonic()
        arguments = condition(self.version) if checked else {}
        answer = s3_client().head_object(Bucket=self.bucket, Key=self.asked_for or self.key, **arguments)
        if checked and not is_version(self.version, answer):
            raise _OtherVersionError
        self.headers = answer.get("Metadata") or {}
        return str(answer.get("ContentEncoding", ""))

    def _is_listed(self) -> bool:
        """Whether the listing has the object at its version."""
        entries = first_page(self.bucket, self.key)
        return any(item["Key"] == self.key and listed_version(item) == self.version for item in entries)

    def _refused(self, error: Any, probe: StoreProbe) -> Exception:
        """The error to raise for an answer that is an error."""
        code = str(error.response.get("Error", {}).get("Code", ""))
        text = f"{code} {error.response.get('Error', {}).get('Message', '')}"
        if code in EXPIRED or code == "NoSuchBucket" or is_expired(error) or is_spent(error):
            return explain(error, self.bucket)
        if is_fault(error):
            probe.assert_delivers(self.key, self.began, error)
        if is_web_page(error):
            probe.assert_accepts()
            return ObjectError(
                Failure.BLOCKED,
                f"a page of HTML with status {status(error)} comes instead of it, from something before the object "
                "store, which itself answers",
            )
        if is_fault(error):
            return ObjectError(
                Failure.UNREADABLE, f"every request for it is answered by {code}, although the store answers others"
            )
        if status(error) == 404:
            return ObjectError(
                Failure.VANISHED, "the object was deleted after it was listed, or the store cannot find it by its name"
            )
        if _ARCHIVED.search(code):
            state = "being restored, which may take hours" if _BEING_RESTORED.search(code) else "in an archive tier"
            return ObjectError(Failure.ARCHIVED, f"it is {state} ({code})")
        probe.assert_accepts()
        if "kms" in text.lower():
            return ObjectError(Failure.FORBIDDEN, f"the key that encrypts it cannot be used ({code})")
        if _CUSTOMER_KEY.search(text):
            return ObjectError(
                Failure.FORBIDDEN,
                f"{printable(self.key)} is encrypted with a key of its owner's (SSE-C), without which the object store "
                f"does not hand it out ({code})",
            )
        if code in _FORBIDDEN:
            return ObjectError(Failure.FORBIDDEN, f"the object store does not hand it out ({code})")
        if code == "SignatureDoesNotMatch":
            problem = "the object store, or a proxy before it, reads its name differently (SignatureDoesNotMatch)"
            return ObjectError(Failure.UNREADABLE, problem)
        return ObjectError(Failure.UNREADABLE, f"the object store refuses to hand it out ({one_line(error, 160)})")
