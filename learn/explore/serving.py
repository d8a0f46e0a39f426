"""Serves the page to browsers of this machine, and to nobody else; everything it needs comes from here."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from learn.explore.state import ExploreState
from stochgeom.errors import UserError, require

HOST = "127.0.0.1"
PAGE = Path(__file__).with_name("app.py")
START_SECONDS = 60.0
IDLE_SECONDS = 600
"""After which the work of a closed page ends."""
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def local_only(port: int) -> str:
    """The policy by which a browser loads nothing for the page from anywhere else: the page's charts would
    ask a network for a font of formulas that they do not use.
    """
    here = f"'self' ws://{HOST}:{port} data: blob:"
    return f"default-src {here} 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'none'"


class WithState:
    """An application around another: each request brings the opening state, each answer the policy."""

    def __init__(self, inner: Any, state: str, policy: str) -> None:
        self.inner, self.state, self.policy = inner, state, policy

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] in ("http", "websocket"):
            scope = {**scope, "meta": {"state": self.state}}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"content-security-policy", self.policy.encode())]
                message = {**message, "headers": headers}
            await send(message)

        await self.inner(scope, receive, answer)


def application(state: ExploreState, port: int, token: str) -> tuple[Any, Callable[[], Awaitable[None]]]:
    """The page as an ASGI application, for those who know the token; and what ends the pages that are open,
    whose threads would otherwise keep this process.
    """
    marimo = require("marimo", extra="explore")
    require("plotly", extra="explore")
    text, policy = state.toml(), local_only(port)
    builder = marimo.create_asgi_app(quiet=True, include_code=False, token=token, session_ttl=IDLE_SECONDS)
    pages: list[Any] = []

    def middleware(inner: Any) -> WithState:
        pages.append(inner)
        return WithState(inner, text, policy)

    async def end() -> None:
        for page in pages:
            await page.state.session_manager.shutdown()

    return builder.with_app(path="", root=str(PAGE), middleware=[middleware]).build(), end


@contextmanager
def served(state: ExploreState, port: int = 0) -> Iterator[tuple[str, threading.Thread]]:
    """The address of a page that is served while the context lasts, and the thread that does it.

    Port 0 takes a free one. UserError if the port is taken.
    """
    uvicorn = require("uvicorn", extra="explore")
    listener = _listener(port)
    port = listener.getsockname()[1]
    token = secrets.token_urlsafe(16)
    served_page, end = application(state, port, token)

    class Server(uvicorn.Server):  # type: ignore[misc, name-defined]
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await end()
            await super().shutdown(sockets)

    server = Server(uvicorn.Config(served_page, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        _await_start(server, thread)
        yield f"http://{HOST}:{port}/?access_token={token}", thread
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--port = {port}: {reason}; accepted: a free port, or 0 for any") from error
    return listener


def _await_start(server: Any, thread: threading.Thread) -> None:
    limit = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > limit:
            raise UserError("the page could not be served; run again with --debug for the reason")
        time.sleep(0.05)
