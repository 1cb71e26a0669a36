"""Keep the results of reading objects, so that another model or chunk size costs no second OCR or transcription.

Each object has a folder of its own under the cache's URI, named by a digest of the object's URI, with a Parquet file
for each kind of result. A file holds the version of the object and the revision of the code that made it: whatever else
is found is no result, and is overwritten. When an object is removed from the collections, its folder is removed first.

A cache that cannot be used at all ends the run, which would otherwise silently repeat the dearest work. A cache that
answers, but has trouble with a single file, only costs that file's work.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ingest.common.errors import ConfigurationError, UnreachableError
from ingest.common.text import one_line
from ingest.store.access import split_s3
from ingest.store.local_files import local_path, with_scheme
from ingest.store.object_store import explain, first_page, is_s3, s3_client

if TYPE_CHECKING:
    import pyarrow as pa

DIGEST_LENGTH = 32
"""Hexadecimal characters of a digest in a name: 128 bits."""

REMOVED_AT_ONCE = 16
"""Folders that are removed at the same time."""

_ABSENT = {"NoSuchKey", "404", "NotFound"}


def normalise_cache(uri: str) -> str:
    """The URI of a cache: `s3://bucket/prefix/`, or the absolute path of a folder, which need not exist, with a slash.

    Raises:
        ConfigurationError: it is neither.
    """
    uri = with_scheme(uri)
    if is_s3(uri):
        try:
            split_s3(uri)
        except ConfigurationError as error:
            raise ConfigurationError(str(error).replace("--source", "--parse-cache")) from None
        return uri.rstrip("/") + "/"
    if "://" in uri and not uri.startswith("file://"):
        raise ConfigurationError(f"--parse-cache {uri!r}: give s3://bucket/prefix/ or a folder")
    return str(local_path(uri)).rstrip("/") + "/"


@dataclass(frozen=True, slots=True)
class ParseCache:
    """The results of one kind.

    Attributes:
        uri: as returned by `normalise_cache`.
        pipeline: the name of the pipeline; others may have objects of the same URI.
        kind: the kind of the results, as their files' names begin.
        settings: everything that shapes a result beside the object and the code.
        revision: that of the code.
        reads: whether results are looked up. Without it they are made anew and replaced.
    """

    uri: str
    pipeline: str
    kind: str
    settings: Mapping[str, Any]
    revision: str
    reads: bool = True

    def load(self, source: str, version: str, part: int = 0) -> pa.Table | None:
        """Return a result, with the metadata that it was saved with, or None if there is none.

        Raises:
            ConfigurationError, UnreachableError: the cache cannot be used.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self.reads or (content := self._read(self._name(source, part))) is None:
            return None
        try:
            table = pq.read_table(io.BytesIO(content))
            found = json.loads((table.schema.metadata or {}).get(b"parse_cache", b"{}"))
        except (pa.ArrowException, OSError, ValueError):  # cut off, or another program's
            return None
        return table if found == self._label(source, version) else None

    def save(self, source: str, version: str, table: pa.Table, part: int = 0) -> None:
        """Keep a result in place of an earlier one. Bytes of its schema's metadata are kept too.

        Raises:
            ConfigurationError, UnreachableError: the cache cannot be used.
        """
        import pyarrow.parquet as pq

        label = json.dumps(self._label(source, version))
        file = io.BytesIO()
        pq.write_table(
            table.replace_schema_metadata({**(table.schema.metadata or {}), b"parse_cache": label.encode()}),
            file,
            compression="zstd",
        )
        self._write(self._name(source, part), file.getvalue())

    def forgetting(self, sources: Iterable[str]) -> Iterator[str]:
        """Yield the sources, each after everything that is kept of it was removed.

        Raises:
            ConfigurationError, UnreachableError: the cache cannot be used.
        """
        if is_s3(self.uri):
            s3_client()  # before the threads start, because each would create its own
        remaining = iter(sources)
        with ThreadPoolExecutor(REMOVED_AT_ONCE, "parse-cache") as pool:
            while batch := list(islice(remaining, 64 * REMOVED_AT_ONCE)):
                list(pool.map(self._forget, batch))
                yield from batch

    def _label(self, source: str, version: str) -> dict[str, str]:
        return {"source": source, "version": version, "revision": self.revision}

    def _folder(self, source: str) -> str:
        return f"{self.uri}{self.pipeline}/{_digest(source)}/"

    def _name(self, source: str, part: int) -> str:
        settings = _digest(json.dumps(self.settings, sort_keys=True))[:8]
        return f"{self._folder(source)}{self.kind}-{settings}-{part}.parquet"

    def _read(self, name: str) -> bytes | None:
        if not is_s3(name):
            try:
                return Path(name).read_bytes()
            except FileNotFoundError:
                return None
            except OSError as error:
                raise self._unusable("read", error) from None
        bucket, key = split_s3(name)

        def get() -> bytes | None:
            content: bytes = s3_client().get_object(Bucket=bucket, Key=key)["Body"].read()
            return content

        return self._request(get)

    def _write(self, name: str, content: bytes) -> None:
        if not is_s3(name):
            path = Path(name)
            temporary = path.with_name(f".{uuid4().hex}.tmp")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_bytes(content)
                temporary.replace(path)
            except OSError as error:
                with suppress(OSError):
                    temporary.unlink()
                raise self._unusable("written", error) from None
            return
        bucket, key = split_s3(name)
        self._request(lambda: s3_client().put_object(Bucket=bucket, Key=key, Body=content))

    def _forget(self, source: str) -> None:
        folder = self._folder(source)
        if not is_s3(folder):
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise self._unusable("cleared", error) from None
            return
        bucket, prefix = split_s3(folder)

        def delete() -> None:
            pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for key in [item["Key"] for page in pages for item in page.get("Contents", ())]:
                s3_client().delete_object(Bucket=bucket, Key=key)

        self._request(delete, may_fail=False)

    def _request(self, request: Callable[[], Any], may_fail: bool = True) -> Any:
        """The answer of the store; None if a single file is not there or, if it `may_fail`, is in trouble."""
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        bucket, prefix = split_s3(self.uri)
        try:
            return request()
        except ClientError as error:
            if str(error.response.get("Error", {}).get("Code", "")) in _ABSENT:
                return None
            problem = explain(error, bucket)
        except (BotoCoreError, HTTPError, ConnectionError, ValueError, OverflowError) as error:  # or odd answers
            problem = explain(error, bucket)
        if may_fail and isinstance(problem, UnreachableError) and _answers(bucket, prefix):
            return None
        sentence = str(problem).replace("check --source", "check --parse-cache")
        raise type(problem)(f"the parse cache {self.uri} cannot be used: {sentence}") from None

    def _unusable(self, verb: str, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"the parse cache {self.uri} cannot be {verb} ({one_line(error.strerror or error)}); give --parse-cache a "
            "folder that every node sees, with room, that the user of this run may change"
        )


def _answers(bucket: str, prefix: str) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        first_page(bucket, prefix)
    except (BotoCoreError, ClientError, UnreachableError, ValueError):
        return False
    return True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:DIGEST_LENGTH]
