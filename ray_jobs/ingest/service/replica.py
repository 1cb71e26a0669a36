"""One replica of the service in Ray Serve."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette

from ingest.service.searching import SearchService
from ingest.service.settings import ServiceSettings
from ingest.service.tokens import Tokens
from ingest.service.web import Threads, make_app


class SearchReplica:
    """Serve sends a replica its first request when this constructor has loaded the models.

    A collection whose model cannot be loaded, or a Milvus that is away, is no reason to give up: the rest is answered,
    and the replica goes on trying.

    Raises:
        ConfigurationError: its node has no token.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._tokens = Tokens(settings.token_variable, settings.token_file)
        self._service = SearchService(settings)
        self._threads = Threads()

    def __serve_build_asgi_app__(self) -> Starlette:
        """Called by Serve after the constructor."""
        return make_app(self._service, self._tokens, self._threads)

    def state(self) -> dict[str, Any]:
        """As `SearchService.state`, for the script that has deployed it."""
        return self._service.state()
