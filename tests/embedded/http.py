"""One JSON request to a loopback server."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

# Loopback is never behind the user's proxy.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class HttpError(OSError):
    """The server answered with a status of 400 or more; `status` is that number, the message holds the body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def request_json(
    method: str,
    url: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Any:
    """Send `body` as JSON and return the answer: parsed JSON, a string when it is no JSON, None when it is empty.

    Raises HttpError for an error status and OSError when there is no answer within `timeout` seconds.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url,
        data=data,
        method=method,
        headers={"Accept": "application/json", "Content-Type": "application/json", **(headers or {})},
    )
    try:
        with _opener.open(request, timeout=timeout) as response:
            text = response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            raise HttpError(error.code, f"{method} {url}: {error.code} {error.read().decode()[:2000]}") from None
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
