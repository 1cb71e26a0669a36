"""Read objects of an S3 API or a local folder, only at the version that was listed.

This keeps the work deterministic: a task that Ray runs twice gives the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from ingest.common.errors import JobError, ObjectError
from ingest.common.failures import Failure
from ingest.store.object_store import UNREADABLE, explain, file_version, is_s3, s3_client, split_s3

T = TypeVar("T")

READ_ATTEMPTS = 4
"""Attempts per object. botocore retries requests; a connection that breaks while the body is read is retried here."""

CHUNK_BYTES = 1 << 20
"""Size of the pieces in which an object is saved to disk."""

GONE = {"NoSuchKey", "404"}
CHANGED = {"PreconditionFailed", "412"}
FORBIDDEN = {"AccessDenied", "InvalidObjectState", "KMS.DisabledException", "KMS.NotFoundException"}
"""Error codes that concern one object (its policy, its archive tier, its key) although the bucket may be listed."""


def read_object(source: str, version: str, sleep: Callable[[float], None] = time.sleep) -> bytes:
    """The bytes of an object.

    Raises:
        ObjectError: the object was deleted or changed since it was listed, or may not be read.
        UnreachableError, ConfigurationError: the store itself fails; no object is to blame.
    """
    if is_s3(source):
        return _read_s3(source, version, lambda body: body.read(), sleep)
    with _listed(source, version) as path:
        return path.read_bytes()


@contextmanager
def object_file(source: str, version: str, folder: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[Path]:
    """The path of a local file with the object's content; a download goes to disk without being held in memory.

    Args:
        folder: where a download is saved.

    Raises:
        ObjectError: the object was deleted or changed since it was listed (also during the block), or may not be read.
        JobError: the folder has no room for a download.
        UnreachableError, ConfigurationError: the store itself fails; no object is to blame.
    """
    if not is_s3(source):
        with _listed(source, version) as path:
            yield path
        return
    # The suffix tells decoders what to expect; the rest of a key may not be valid in a file's name.
    target = folder / f"object{Path(source).suffix if source.isprintable() else ''}"

    def save(body: Any) -> None:
        with target.open("wb") as file:
            for chunk in body.iter_chunks(CHUNK_BYTES):
                file.write(chunk)

    try:
        _read_s3(source, version, save, sleep)
    except OSError as error:
        raise JobError(
            f"an object cannot be saved in {folder.parent} of this node to be read ({error.strerror}); free some "
            "space, or set TMPDIR on the Ray nodes to a folder with more"
        ) from None
    yield target


@contextmanager
def _listed(source: str, version: str) -> Iterator[Path]:
    """The path of a local file, after a check that before and after the block it has the version that was listed."""
    path = Path(source.removeprefix("file://"))
    if version == UNREADABLE:
        raise ObjectError(Failure.NO_SUCH_FILE, "its name is not UTF-8, or it is a link to nothing")
    try:
        yield path
        changed = file_version(path.stat()) != version
    except FileNotFoundError:
        raise ObjectError(Failure.VANISHED, "the file was removed after it was listed") from None
    except OSError as error:
        raise ObjectError(Failure.UNREADABLE, f"the file cannot be read ({error.strerror})") from None
    if changed:
        raise _changed()


def _changed() -> ObjectError:
    return ObjectError(Failure.CHANGED_DURING_RUN, "the object changed after it was listed")


def _read_s3(source: str, version: str, consume: Callable[[Any], T], sleep: Callable[[float], None]) -> T:
    """Pass the object's body, which is a stream, to `consume`, and return the result."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from urllib3.exceptions import HTTPError

    bucket, key = split_s3(source)
    retrying = Retrying(
        retry=retry_if_exception_type((HTTPClientError, HTTPError, ConnectionError)),
        stop=stop_after_attempt(READ_ATTEMPTS),
        wait=wait_random_exponential(),  # up to 1, 2 and 4 s
        sleep=sleep,
        reraise=True,
    )
    try:
        return retrying(lambda: consume(s3_client().get_object(Bucket=bucket, Key=key, IfMatch=f'"{version}"')["Body"]))
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in GONE:
            raise ObjectError(Failure.VANISHED, "the object was deleted after it was listed") from None
        if code in CHANGED:
            raise _changed() from None
        if code in FORBIDDEN:
            raise ObjectError(Failure.FORBIDDEN, f"the object store does not hand it out ({code})") from None
        raise explain(error, bucket) from None
    except (BotoCoreError, HTTPError, ConnectionError) as error:
        raise explain(error, bucket) from None
