"""Connections as aiohttp has them, but what is no HTTP is answered in our words: aiohttp would repeat what was sent, keys too."""

from __future__ import annotations

import json
from http import HTTPStatus

from aiohttp import web

PROBLEM_JSON = "application/problem+json"
MALFORMED = "The request is not valid HTTP, or its head is too long."
FAILED = "Something went wrong inside the server."


class ConnectionsServer(web.Server):
    """Makes our kind of connection."""

    def __call__(self) -> web.RequestHandler:
        """A connection that was just opened."""
        return Connection(self, loop=self._loop, **self._kwargs)


class Connection(web.RequestHandler):
    """One client's connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # holds parts of what was sent
    ) -> web.StreamResponse:
        """The reply to bytes that never became a request: an object in which the clients of every API find their text.

        Raises:
            ConnectionError: something was sent already.
        """
        super().handle_error(request, status, exc, None)  # logs it
        text = MALFORMED if status < HTTPStatus.INTERNAL_SERVER_ERROR else FAILED
        body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": text}
        body |= {"message": text, "errors": [text]}
        reply = web.Response(
            status=status,
            body=json.dumps(body).encode(),
            content_type=PROBLEM_JSON,
            headers={"Server": "busbar", "X-Content-Type-Options": "nosniff"},
        )
        reply.force_close()
        return reply
