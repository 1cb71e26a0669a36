"""List the objects of an S3 API or a local folder, as one sorted stream.

Listings are sorted by source in code-point order, as the ledger is.
Credentials come from the environment only (`AWS_*`, `AWS_ENDPOINT_URL`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from ingest.common.environment import remove_empty, variable
from ingest.common.errors import ConfigurationError, UnreachableError
from ingest.common.loopback import is_loopback
from ingest.common.objects import StoredObject, is_under
from ingest.common.text import one_line
from ingest.store import refusals
from ingest.store.access import OTHER_STORES, addressing, signature, split_s3, widen
from ingest.store.answers import ELSEWHERE, bucket_region, is_web_page, sent_status
from ingest.store.endpoints import endpoint_problem, profile_problem
from ingest.store.ignored_names import is_ignored
from ingest.store.listing import Circle, Ignored, Ordering, check_empty, endless, pages, sorted_on_disk
from ingest.store.listing_xml import decode_keys, escape_keys
from ingest.store.local_files import list_files, local_path, with_scheme
from ingest.store.notations import suggested
from ingest.store.timestamps import timestamp
from ingest.store.versions import listed_size, listed_version

READ_TIMEOUT = 60
"""Seconds without a byte after which a request counts as failed and is retried."""

REQUEST_ATTEMPTS = 5
"""Attempts per request, with waits of up to 1, 2, 4 and 8 s between them (botocore's mode `standard`)."""


def is_s3(uri: str) -> bool:
    return uri.startswith("s3://")


def normalise_sources(sources: Sequence[str]) -> tuple[str, ...]:
    """The sources as `normalise_source` returns them, in the given order; no object is under two of them.

    A source that is part of another one is left out. Of several sources, some may be folders that do not exist.

    Raises:
        ConfigurationError: a scheme is not supported, or none of the sources exists.
    """
    sources = [with_scheme(source) for source in sources]
    some_exist = any(is_s3(source) or local_path(source).exists() for source in sources)
    found = list(dict.fromkeys(normalise_source(source, must_exist=not some_exist) for source in sources))
    return tuple(one for one in found if not any(one != other and is_under(one, other) for other in found))


def is_absent(source: str) -> bool:
    """Whether a source, as returned by `normalise_source`, is a folder that does not exist."""
    return not is_s3(source) and not local_path(source).exists()


def normalise_source(source: str, must_exist: bool = True) -> str:
    """The URI that all sources below `source` begin with: `s3://…` unchanged, a folder as `file:///absolute/path/`.

    Args:
        must_exist: whether a path where nothing is is an error; otherwise it is taken for a folder's.

    Raises:
        ConfigurationError: the scheme is not supported, or the folder does not exist.
    """
    source = with_scheme(source)
    if not source:
        raise ConfigurationError("--source is empty; give s3://bucket/prefix/ or a folder")
    if is_s3(source):
        # The slash after the bucket keeps out other buckets whose names begin with this one.
        return "s3://{}/{}".format(*split_s3(source))
    scheme = source.partition("://")[0] if "://" in source else ""
    instead = suggested(source)
    if scheme not in ("", "file"):
        if instead:
            raise ConfigurationError(f"--source {source!r} is no URI of a bucket; write {instead}")
        other = " and set AWS_ENDPOINT_URL to the S3 API of that store," if scheme in OTHER_STORES else ""
        raise ConfigurationError(
            f"--source {source!r}: {scheme}:// is not supported; give s3://bucket/prefix/{other} or a folder"
        )
    path = local_path(source)
    if path.is_dir() or not (must_exist or path.exists()):
        return f"file://{path.as_posix().rstrip('/')}/"
    if path.is_file():
        return f"file://{path.as_posix()}"
    if source.startswith("s3:"):
        raise ConfigurationError(f"--source {source!r} lacks slashes; write s3://bucket/prefix/")
    hint = f"; for a bucket, write {instead}" if instead else ""
    raise ConfigurationError(f"--source {source!r}: there is no such folder{hint}")


_SETTINGS = "ACCESS_KEY_ID SECRET_ACCESS_KEY SESSION_TOKEN DEFAULT_REGION ENDPOINT_URL ENDPOINT_URL_S3"
_VARIABLES = tuple(f"AWS_{name}" for name in _SETTINGS.split())
"""Environment variables that boto3 reads and that can hold neither white space nor quotes."""


@lru_cache(maxsize=1)
def s3_client() -> Any:
    """A boto3 client, created once per process (clients are thread-safe and cost 100 ms each)."""
    import boto3
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, CredentialRetrievalError, PartialCredentialsError
    from botocore.handlers import decode_list_object_v2

    from ingest.store.odd_answers import OddAnswerParsers

    remove_empty("AWS_")
    session = botocore.session.get_session()
    parsers = OddAnswerParsers()
    parsers.set_parser_defaults(timestamp_parser=timestamp)
    session.register_component("response_parser_factory", parsers)
    values = {name: variable(name) for name in _VARIABLES}
    named = next((name for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") if values[name]), "")
    if named and (problem := endpoint_problem(named, values[named])):
        raise ConfigurationError(problem)
    try:
        client = boto3.Session(botocore_session=session).client(
            "s3",
            config=Config(
                signature_version=signature(),
                connect_timeout=5,
                read_timeout=READ_TIMEOUT,
                max_pool_connections=32,
                retries={"mode": "standard", "total_max_attempts": REQUEST_ATTEMPTS},
                s3={"addressing_style": addressing(values[named]) if named else "auto"},
                proxies={} if named and is_loopback(urlsplit(values[named]).hostname or "") else None,
            ),
        )
    except PartialCredentialsError:
        raise ConfigurationError(refusals.NO_CREDENTIALS) from None
    except CredentialRetrievalError as error:
        raise ConfigurationError(refusals.refusal(error, "", "")) from None
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            profile_problem(error)
            or f"the object store's client cannot be set up: {one_line(error)}; "
            "check AWS_ENDPOINT_URL, AWS_DEFAULT_REGION and AWS_PROFILE"
        ) from None
    except (AttributeError, LookupError, TypeError) as error:
        raise refusals.senseless(error) from None
    widen(client)
    # The asterisk puts it before botocore's own handler, which takes an answer that it cannot parse for an error.
    client.meta.events.register("before-parse.*.ListObjectsV2", escape_keys)
    client.meta.events.unregister("after-call.s3.ListObjectsV2", decode_list_object_v2)
    client.meta.events.register("after-call.s3.ListObjectsV2", decode_keys)
    return client


def _store_name() -> str:
    """The store's URL, without the user name and password that an endpoint URL may contain."""
    parts = urlsplit(s3_client().meta.endpoint_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def explain(error: Exception, bucket: str, prefix: str = "") -> ConfigurationError | UnreachableError:
    """The error to raise for an exception of boto3 for which no single object is to blame.

    Args:
        prefix: of the keys that were to be listed.
    """
    from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError

    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return ConfigurationError(refusals.NO_CREDENTIALS)
    if isinstance(error, ClientError):
        if sentence := refusals.role_refusal(error):
            return ConfigurationError(sentence)
        if is_web_page(error):
            return _no_store(sent_status(error))
        if sentence := refusals.unreadable(error, _store_name(), bucket):
            return UnreachableError(sentence)
        if refusals.is_spent(error):
            return UnreachableError(
                f"the object store {_store_name()} delivers no more for this account ({one_line(error, 200)}); raise "
                "its cap, pay its bill, or wait until the cap counts anew"
            )
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ELSEWHERE and (region := bucket_region(error)) is not None:
            return ConfigurationError(
                f"bucket {bucket!r} is in {region or 'another region'}, and not where {_store_name()} looks for it "
                f"({code}); set AWS_DEFAULT_REGION to the bucket's region, and AWS_ENDPOINT_URL, if it is set, to the "
                "endpoint there"
            )
        if code == "NoSuchBucket":
            return ConfigurationError(f"bucket {bucket!r} does not exist on {_store_name()}; check --source")
        if refusals.is_expired(error) or code in refusals.REFUSED - refusals.SKEWED:
            return ConfigurationError(refusals.denial(error, _store_name(), bucket, prefix))
    if sentence := refusals.refusal(error, _store_name(), bucket):
        return ConfigurationError(sentence)
    if sentence := refusals.overload(error, _store_name()):
        return UnreachableError(sentence)
    return UnreachableError(refusals.silence(error, _store_name()))


def list_objects(
    source: str, suffixes: tuple[str, ...], ignored: Ignored | None = None, order: Ordering = sorted_on_disk
) -> Iterator[StoredObject]:
    """Objects under `source` whose names end in one of `suffixes` (in lower case; matched in any case), sorted.

    Args:
        source: as returned by `normalise_source`. For S3 it is a literal prefix of keys; a folder needs a final `/`.
        suffixes: such as `(".pdf",)`; if empty, all objects are returned, except those of `ignored_names`.
        ignored: counts all other objects and folder markers, before the first object is returned.
        order: with `as_it_comes`, objects are returned, and others counted, while the listing goes on.

    Raises:
        ConfigurationError: the bucket does not exist, or the store refuses the credentials or cannot list it whole.
        UnreachableError: the store does not answer, or not with listings that can be read and come to an end.
    """
    ignored = ignored or Ignored()
    listing = _list_s3(source) if is_s3(source) else list_files(source, ignored)
    folder = source.rfind("/") + 1

    def is_taken(entry: StoredObject) -> bool:
        is_marker = entry.source.endswith("/")
        taken = not is_marker and (not suffixes or entry.source.lower().endswith(suffixes))
        taken = taken and (entry.source == source or not is_ignored(entry.source[folder:]))
        if not taken:
            ignored.add(entry.source)
        return taken

    return order(filter(is_taken, listing))


def _list_s3(source: str) -> Iterator[StoredObject]:
    from botocore.exceptions import BotoCoreError, ClientError, PaginationError

    bucket, prefix = split_s3(source)
    count, circle = 0, Circle()
    page: Mapping[str, Any] = {}
    try:
        for page in pages(s3_client(), bucket, prefix):
            check_listing(page)
            items = page.get("Contents", ())
            if circle.closes(items[0]["Key"] if items else None):
                raise endless(_store_name(), source, count)
            for item in items:
                key = item["Key"]
                if "EncodingType" not in page and not key.startswith(prefix):  # encoded by a store that does not say so
                    key = unquote(key)
                if not key.startswith(prefix):  # some gateways ignore the prefix
                    continue
                modified = time.timestamp() if (time := item.get("LastModified")) else 0.0
                yield StoredObject(f"s3://{bucket}/{key}", listed_version(item), listed_size(item), modified)
            count += len(items)
            if page.get("CommonPrefixes"):
                raise ConfigurationError(
                    f"the object store {_store_name()} lists folders instead of the objects in them; ingest its "
                    "folders one by one, or update it"
                )
        if page.get("IsTruncated"):
            raise ConfigurationError(
                f"the object store {_store_name()} lists {f'only the first {count}' if count else 'none'} of the "
                f"objects of {source} and says that there are more, but not how to go on; update it, or ingest smaller "
                "prefixes one by one"
            )
        if not count:
            check_empty(bucket, prefix)
    except PaginationError:  # a page names itself as the next one
        raise endless(_store_name(), source, count) from None
    except (BotoCoreError, ClientError) as error:
        raise explain(error, bucket, prefix) from None
    except EOFError:
        raise ConfigurationError(refusals.NO_CODE) from None
    except (ValueError, OSError) as error:  # a number that is none, or the file of AWS_WEB_IDENTITY_TOKEN_FILE
        raise ConfigurationError(
            f"the objects of {source} cannot be listed ({one_line(error, 160)}); check the files that AWS_* variables "
            "name, and that AWS_ENDPOINT_URL is an object store"
        ) from None
    except (AttributeError, LookupError, TypeError) as error:
        raise refusals.senseless(error, _store_name()) from None


def first_page(bucket: str, prefix: str) -> list[Mapping[str, Any]]:
    """The first entries of a listing, as boto3 gives them.

    Raises:
        UnreachableError: the answer is no listing. The exceptions of boto3 are for the caller.
    """
    page = s3_client().list_objects_v2(Bucket=bucket, Prefix=prefix)
    check_listing(page)
    return list(page.get("Contents", ()))


def check_listing(page: Mapping[str, Any]) -> None:
    """Raise UnreachableError if an answer is no listing: a proxy's page, which boto3 would take for an empty bucket."""
    if not {"IsTruncated", "KeyCount", "Name"} & page.keys():
        raise _no_store(200)


def _no_store(status: int) -> UnreachableError:
    return UnreachableError(
        f"the object store {_store_name()} cannot be reached: something else answers for it, with status {status} and "
        "without a listing; check AWS_ENDPOINT_URL and the proxies on the way"
    )
