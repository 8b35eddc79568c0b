"""The HTTP application: which API a path belongs to, bodies in, answers and errors out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spillway.sandbox import batch
from spillway.sandbox.access import token_of
from spillway.sandbox.certmanager import CertificateManagerApi
from spillway.sandbox.compute import ComputeApi
from spillway.sandbox.control_api import ControlApi
from spillway.sandbox.netservices import NetworkServicesApi
from spillway.sandbox.projects import ProjectsApi
from spillway.sandbox.refusals import Refusal, unknown_method

_log = logging.getLogger(__name__)

MOST_BYTES = 4 * 1024 * 1024
"""Largest body that is read."""
_LOOPBACK_NAMES = ["127.0.0.1", "localhost", "::1", "[::1]"]
"""Names under which a sandbox is asked; a web page that makes a browser ask under its own name gets nothing."""
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


async def _raw(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise Refusal(413, "uploadTooLarge", f"The body is larger than {MOST_BYTES} bytes.")
    return bytes(raw)


async def _body(request: Request) -> dict[str, Any]:
    raw = await _raw(request)
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refusal(400, "parseError", f"Invalid JSON payload received. {error}") from error
    if not isinstance(body, dict):
        raise Refusal(400, "parseError", "Invalid JSON payload received. The body must be an object.")
    return body


def _from_no_page(request: Request) -> None:
    """Refuse what a web page makes a browser send: it names its origin, or sends a body as a form or as plain text.

    Raises:
        Refusal: the request comes from a page, or its body is not called JSON.
    """
    if "origin" in request.headers or request.headers.get("sec-fetch-site", "none") not in {
        "none",
        "same-origin",
    }:
        raise Refusal(403, "forbidden", "The sandbox's controls take no requests from web pages.")
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if has_body and kind != "application/json":
        raise Refusal(
            415,
            "unsupportedMediaType",
            "The body must be JSON. Send the header Content-Type: application/json.",
        )


def _token(request: Request) -> str:
    return token_of(request.headers.get("authorization", ""))


class AnswersWhileStopping:
    """Gives requests that are under way when the server stops an answer that clients can read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if begun:
                raise
            refusal = Refusal(503, "backendError", "The sandbox is stopping.")
            await JSONResponse(refusal.compute_body(), refusal.status)(scope, receive, send)


def _batches(compute: ComputeApi) -> Callable[[Request], Awaitable[Response]]:
    """What serves batches of Compute requests."""

    async def serve(request: Request) -> Response:
        async def one(part: batch.Part) -> tuple[int, dict[str, Any]]:
            version, _, path = part.path.removeprefix("/compute/").partition("/")
            try:
                if not part.path.startswith("/compute/") or version not in {"v1", "beta"}:
                    raise unknown_method(part.method, part.path)
                return 200, await compute.answer(
                    part.method, version, path, query=part.query, body=part.body, token=_token(request)
                )
            except Refusal as refusal:
                return refusal.status, refusal.compute_body()

        try:
            content = request.headers.get("content-type", "")
            answer = await batch.answer(await _raw(request), content, one)
        except Refusal as refusal:
            return JSONResponse(refusal.compute_body(), refusal.status)
        return Response(answer, media_type=f'multipart/mixed; boundary="{batch.BOUNDARY}"')

    return serve


def build(
    compute: ComputeApi,
    network_services: NetworkServicesApi,
    certificates: CertificateManagerApi,
    projects: ProjectsApi,
    control: ControlApi,
) -> Starlette:
    """The application that serves all five APIs."""

    async def serve_compute(request: Request) -> Response:
        version, path = request.path_params["version"], request.path_params["path"]
        try:
            if version not in {"v1", "beta"}:
                raise unknown_method(request.method, request.url.path)
            answer = await compute.answer(
                request.method,
                version,
                path,
                query=request.query_params,
                body=await _body(request),
                token=_token(request),
            )
        except Refusal as refusal:
            return JSONResponse(refusal.compute_body(), refusal.status)
        return JSONResponse(answer)

    async def serve_v1(request: Request) -> Response:
        path = request.path_params["path"]
        served = next((one for one in (projects, certificates) if one.serves(path)), network_services)
        api: ProjectsApi | CertificateManagerApi | NetworkServicesApi = served
        try:
            answer = await api.answer(
                request.method,
                path,
                query=request.query_params,
                body=await _body(request),
                token=_token(request),
            )
        except Refusal as refusal:
            return JSONResponse(refusal.rpc_body(), refusal.status)
        return JSONResponse(answer)

    async def serve_control(request: Request) -> Response:
        try:
            _from_no_page(request)
            answer = control.answer(request.method, request.path_params["path"], await _body(request))
        except Refusal as refusal:
            return JSONResponse(refusal.rpc_body(), refusal.status)
        return JSONResponse(answer)

    async def refuse(request: Request) -> Response:
        refusal = unknown_method(request.method, request.url.path)
        return JSONResponse(refusal.compute_body(), refusal.status)

    async def broken(request: Request, error: Exception) -> Response:
        _log.error("the sandbox failed at %s %s: %s", request.method, request.url.path, error)
        refusal = Refusal(
            500,
            "backendError",
            f"The sandbox failed at {request.method} {request.url.path}: {error!r}. This is a defect of the sandbox.",
        )
        return JSONResponse(refusal.compute_body(), refusal.status)

    return Starlette(
        middleware=[
            Middleware(AnswersWhileStopping),
            Middleware(TrustedHostMiddleware, allowed_hosts=_LOOPBACK_NAMES, www_redirect=False),
        ],
        exception_handlers={Exception: broken},
        routes=[
            Route("/sandbox/v1/{path:path}", serve_control, methods=_METHODS),
            Route("/batch/compute/{version}", _batches(compute), methods=["POST"]),
            Route("/compute/{version}/{path:path}", serve_compute, methods=_METHODS),
            Route("/v1/{path:path}", serve_v1, methods=_METHODS),
            Route("/{path:path}", refuse, methods=_METHODS),
        ],
    )
