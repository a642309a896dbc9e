"""``/health/live`` and ``/health/ready`` over HTTP (docs/operations.md)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alicia_scheduler.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the service can do its work, and if not, why; degraded it works, but not at its best."""

    ready: bool
    problems: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()


class _Server(uvicorn.Server):
    """A server that leaves the signals to the application."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the application's business."""
        yield


class HealthServer:
    """Serves the health of the service.

    Args:
        health: Asked at every request; must be quick.
        routes: What else is served.
    """

    def __init__(self, host: str, port: int, health: Callable[[], Health], routes: Sequence[Route] = ()) -> None:
        self._routes = routes
        self._host = host
        self._port = port
        self._health = health
        self.port = port

    async def run(self, listening: asyncio.Event | None = None) -> None:
        """Serves until cancelled.

        Raises:
            ConfigurationError: The address cannot be listened on.
        """
        sock = self._bind()
        config = uvicorn.Config(self._app(), log_config=None, access_log=False, lifespan="off", timeout_keep_alive=5)
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        if listening is not None:
            listening.set()
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((self._host, self._port))
        except OSError as error:
            sock.close()
            raise ConfigurationError(
                f"cannot listen on {self._host}:{self._port} for HTTP: {error.strerror}; "
                "set http.port to a free port, or http.enabled to false"
            ) from None
        self.port = sock.getsockname()[1]
        return sock

    def _app(self) -> Starlette:
        health = [Route("/health/live", self._live), Route("/health/ready", self._ready)]
        return Starlette(routes=[*health, *self._routes])

    async def _live(self, _request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def _ready(self, _request: Request) -> Response:
        health = self._health()
        document = {
            "status": "ready" if health.ready else "not_ready",
            "problems": list(health.problems),
            "degraded": list(health.degraded),
        }
        return JSONResponse(document, status_code=200 if health.ready else 503)
