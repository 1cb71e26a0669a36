"""A stub of an S3 store for the answers that a real store does not give on demand. It checks no signature."""

import email.utils
import hashlib
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from xml.sax.saxutils import escape

MODIFIED = 1_760_000_000


@dataclass
class Stored:
    """An object.

    Attributes:
        fault: `(status, code, message)` of every GET, or `break`: its content always breaks off. The code `html`
            means a page of HTML with the message, as a proxy gives it.
        headers: more headers of every answer; an empty one is left out.
        sent: what is sent instead of `body`, which listings describe.
    """

    body: bytes
    fault: tuple[int, str, str] | str = ""
    headers: dict[str, str] = field(default_factory=dict)
    modified: int = MODIFIED
    sent: bytes | None = None

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body).hexdigest()}"'


class S3Stub:
    """Serves `objects`, by key, of one bucket at `url`; one request per connection, a thread each.

    Attributes:
        etag: what becomes of an ETag in listings and answers; an empty one is left out.
        if_match: what GetObject takes for the header If-Match.
        listing_fault: `(status, code, message)` of every listing.
        region: the region that answers with a fault name as the bucket's.
        listing_page: a text that answers every listing with status 200, instead of it.
        listing_kind: its content type.
        before_page: called with the number of a page's first key; returns a fault for that page, or None.
        written_key: how the key is written in listings by a store that ignores the request's encoding type.
        page: the number of keys in a page of a listing.
        continues: whether a cut listing says how to go on; "" if it does so with an empty token.
        knows_start: whether a listing begins behind the key that a request names.
        order: how listings sort keys.
        circle: a listing goes on with this page, instead of none, after its last one; under ever new tokens.
        fresh: whether these tokens are new, and not the same again and again.
        before_get: called with the key of every GetObject.
        tagging_fault: `(status, code, message)` of every GetObjectTagging.
        requests: "METHOD /path?query" of every request.
    """

    def __init__(self) -> None:
        self.reset()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stub._answer(self)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def reset(self) -> None:
        """An empty store without faults."""
        self.objects: dict[str, Stored] = {}
        self.etag: Callable[[str], str] = str
        self.if_match: Callable[[str | None], str | None] = lambda value: value
        self.listing_fault: tuple[int, str, str] | None = None
        self.region = ""
        self.listing_page = ""
        self.listing_kind = "text/html"
        self.written_key: Callable[[str], bytes] | None = None
        self.before_page: Callable[[int], tuple[int, str, str] | None] = lambda start: None
        self.page = 1000
        self.continues: bool | str = True
        self.knows_start = False
        self.order: Callable[[str], str] = str
        self.circle: int | None = None
        self.fresh = True
        self.requests: list[str] = []
        self.before_get: Callable[[str], None] = lambda key: None
        self.tagging_fault = (404, "NoSuchTagSet", "The TagSet does not exist")

    def environment(self) -> dict[str, str]:
        """The variables by which a client finds the stub."""
        return {
            "AWS_ACCESS_KEY_ID": "AKIASTUB", "AWS_SECRET_ACCESS_KEY": "stub-secret", "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip

    def put(self, key: str, body: bytes = b"content", fault: tuple[int, str, str] | str = "", **headers: str) -> None:
        self.objects[key] = Stored(body, fault, {name.replace("_", "-"): value for name, value in headers.items()})

    def gets(self, key: str) -> int:
        """The number of requests for the object so far."""
        return sum(request.partition("?")[0].endswith(f"/{urllib.parse.quote(key)}") for request in self.requests)

    def listings(self) -> int:
        return sum("list-type=2" in request for request in self.requests)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(f"{request.command} {request.path}")
        path, _, query = request.path.partition("?")
        values = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        if "list-type" in values:
            self._list(request, values)
            return
        if "tagging" in values:
            self._fail(request, self.tagging_fault)
            return
        key = urllib.parse.unquote(path).split("/", 2)[2]
        self.before_get(key)
        found = self.objects.get(key)
        if found is None:
            self._fail(request, (404, "NoSuchKey", "The specified key does not exist."))
        elif isinstance(found.fault, tuple):
            self._fail(request, found.fault)
        elif self.if_match(request.headers.get("If-Match")) not in (None, self.etag(found.etag)):
            self._fail(request, (412, "PreconditionFailed", "no match"))
        else:
            self._send(request, found)

    def _send(self, request: BaseHTTPRequestHandler, found: Stored) -> None:
        body = found.body if found.sent is None else found.sent
        body = body[:1] if request.headers.get("Range") == "bytes=0-0" else body
        headers = {
            "Content-Length": str(len(body)),
            "Last-Modified": email.utils.formatdate(found.modified, usegmt=True),
        }
        if etag := self.etag(found.etag):
            headers["ETag"] = etag
        request.send_response(200)
        for name, value in {**headers, **found.headers}.items():
            if value:
                request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body[: len(body) // 2] if found.fault == "break" else body)

    def _list(self, request: BaseHTTPRequestHandler, values: dict[str, str]) -> None:
        if self.listing_page:
            _send_text(request, 200, self.listing_kind, self.listing_page)
            return
        start = int(values.get("continuation-token", "0").partition(" ")[0])
        if fault := self.listing_fault or self.before_page(start):
            self._fail(request, fault)
            return
        keys = sorted((key for key in self.objects if key.startswith(values.get("prefix", ""))), key=self.order)
        if self.knows_start and "start-after" in values:
            keys = [key for key in keys if self.order(key) > self.order(values["start-after"])]
        shown = keys[start : start + self.page]
        parts = [
            f"<Contents><Key>{self._written(key)}</Key><Size>{len(found.body)}</Size>"
            f"<LastModified>{email.utils.formatdate(found.modified, usegmt=True)}</LastModified>"
            + (f"<ETag>{escape(etag)}</ETag>" if (etag := self.etag(found.etag)) else "")
            + "</Contents>"
            for key in shown
            for found in [self.objects[key]]
        ]
        cut, following = start + self.page < len(keys), str(start + self.page)
        if not cut and self.circle is not None:
            cut, following = True, f"{self.circle * self.page} {len(self.requests) * self.fresh}"
        parts.append(f"<IsTruncated>{'true' if cut else 'false'}</IsTruncated>")
        if self.written_key is None:
            parts.append("<EncodingType>url</EncodingType>")
        if cut and self.continues == "":
            parts.append("<NextContinuationToken></NextContinuationToken>")
        elif cut and self.continues:
            parts.append(f"<NextContinuationToken>{following}</NextContinuationToken>")
        _send_xml(request, 200, f"<ListBucketResult>{''.join(parts)}</ListBucketResult>")

    def _fail(self, request: BaseHTTPRequestHandler, fault: tuple[int, str, str]) -> None:
        status, code, message = fault
        if code == "html":
            _send_text(request, status, "text/html; charset=utf-8", f"<html><p>{escape(message)}<br></html>")
            return
        region = f"<Region>{self.region}</Region>" if self.region else ""
        _send_xml(request, status, f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{region}</Error>")

    def _written(self, key: str) -> str:
        if self.written_key is None:
            return escape(urllib.parse.quote(key, safe="/", errors="surrogateescape"))
        return self.written_key(key).decode(errors="surrogateescape")


def _send_xml(request: BaseHTTPRequestHandler, status: int, text: str) -> None:
    _send_text(request, status, "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>{text}')


def _send_text(request: BaseHTTPRequestHandler, status: int, kind: str, text: str) -> None:
    body = text.encode(errors="surrogateescape")
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
