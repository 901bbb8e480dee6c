"""One REST service: a table of routes, one table of errors, one server.

A service is a list of `Route`s. A handler is a plain function
`(req, resp, **path_parameters) -> body`; it authorises, validates, acts and
returns what becomes JSON (None: an empty body). The request context is
`req.context.ctxt`. Handlers raise domain errors; `FAMILIES` gives each its
status and the service's `Dialect` its body.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import falcon
from opentelemetry.trace import SpanKind
from oslo_context import context as oslo_context

from minova.common import auth, context, errors, texts, tracing

LOG = logging.getLogger(__name__)
Handler = Callable[..., Any]
MAX_BODY = 1024 * 1024

# Domain error family -> HTTP status; the first match counts, so the more
# special family stands first.
FAMILIES: tuple[tuple[type[Exception], int], ...] = (
    (errors.TooLarge, 413),
    (errors.UnsupportedMediaType, 415),
    (errors.MethodNotAllowed, 405),
    (errors.NotSupported, 501),
    (errors.Unavailable, 503),
    (errors.Unauthorized, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.Invalid, 400),
)
_JSON = json.JSONDecoder(parse_constant=lambda name: _no_number(name))
_MALFORMED = "The request body is not valid JSON."
UNEXPECTED = "An unexpected error prevented the server from fulfilling your request."


@dataclass(frozen=True)
class Route:
    """One line of a service's route table. `public` needs no token."""

    method: str
    path: str
    handler: Handler
    status: int = 200
    public: bool = False


class Dialect(Protocol):
    """How one OpenStack service words an error."""

    def __call__(self, status: int, message: str, error: Exception) -> Any:
        """The body (JSON-encoded by us) for an error answer."""


@dataclass
class App:
    """What `build` needs to know of a service.

    `name` is shown in logs and traces (`nova-api`). `versions` may add
    response headers and check request headers before routing
    (microversions): called with (req, resp). `auth` False is for identity,
    which validates its own tokens in `authenticate`.
    """

    name: str
    routes: Sequence[Route]
    dialect: Dialect
    auth: bool = True
    authenticate: Callable[[falcon.Request], context.RequestContext | None] | None = None
    before: Callable[[falcon.Request, falcon.Response], None] | None = None
    # Sees every answer, errors too, before it is sent.
    after: Callable[[falcon.Request, falcon.Response], None] | None = None
    extra_families: Sequence[tuple[type[Exception], int]] = ()
    max_body: int = MAX_BODY
    # What is said of a body that is no JSON, where clients know it in other words.
    malformed: str = _MALFORMED
    rewrite: Callable[[falcon.Request], None] | None = None
    # Which step of the launch the validation of a request's token is, if any.
    token_step: Callable[[dict[str, Any]], int | None] = lambda environ: None
    # A request's path as spans may keep it: some have a secret in them.
    shown_path: Callable[[str], str] = lambda path: path
    unauthorized_headers: Callable[[], dict[str, str]] = field(default=dict)


def build(app: App) -> auth.WSGIApp:
    """The WSGI callable of a service: request id, trace, auth, routes, errors."""
    api = falcon.App(middleware=[_Frame(app)], cors_enable=False)
    api.req_options.strip_url_path_trailing_slash = True
    api.req_options.auto_parse_qs_csv = False
    api.req_options.keep_blank_qs_values = True
    api.resp_options.default_media_type = falcon.MEDIA_JSON
    api.set_error_serializer(lambda req, resp, error: None)
    for path, routes in _by_path(app.routes).items():
        api.add_route(path, _Resource(app, routes))
    # Named besides Exception, because falcon's own handler of it is the more special one.
    api.add_error_handler((falcon.HTTPError, Exception), _Renderer(app))
    wsgi: auth.WSGIApp = api
    return _traced(app, auth.protect(wsgi, app.token_step) if app.auth else wsgi)


def body_of(req: falcon.Request) -> Any:
    """The request's JSON body; Invalid/TooLarge/UnsupportedMediaType if it is none."""
    if "body" in req.context:
        return req.context.body
    limit = req.context.max_body
    if req.content_type and "json" not in req.content_type:
        raise errors.UnsupportedMediaType(content_type=req.content_type)
    if (req.content_length or 0) > limit:
        raise errors.TooLarge(limit=limit)
    raw = req.bounded_stream.read(limit + 1)
    if len(raw) > limit:
        raise errors.TooLarge(limit=limit)
    try:
        body = _JSON.decode(raw.decode(json.detect_encoding(raw), "surrogatepass"))
    except (ValueError, RecursionError):
        raise errors.Invalid(req.context.get("malformed") or _MALFORMED) from None
    if texts.is_suspect(raw):
        texts.require_storable(body)
    req.context.body = body
    return body


def _no_number(name: str) -> None:
    """NaN and the infinities, which Python reads and JSON does not know."""
    raise ValueError(f"{name} is no JSON")


def base_url(req: falcon.Request) -> str:
    """Where the client reached us, `http://host:port`, honouring X-Forwarded-*."""
    return f"{req.forwarded_scheme}://{req.forwarded_host}"


def status_of(error: Exception, extra: Sequence[tuple[type[Exception], int]] = ()) -> int:
    """The HTTP status of an error; 500 for one that has no family."""
    if isinstance(error, falcon.HTTPError):
        return error.status_code
    for family, status in (*extra, *FAMILIES):
        if isinstance(error, family):
            return status
    return 500


def _is_known(error: Exception, extra: Sequence[tuple[type[Exception], int]]) -> bool:
    return isinstance(error, tuple(family for family, _ in (*extra, *FAMILIES)))


def _traced(app: App, wsgi: auth.WSGIApp) -> auth.WSGIApp:
    """`wsgi` in a span of the service, which thereby also times the token's validation."""

    def traced(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        token = context.set_service(app.name)
        try:
            with tracing.span(
                f"{environ['REQUEST_METHOD']} {app.shown_path(environ.get('PATH_INFO') or '/')}",
                kind=SpanKind.SERVER,
                parent=tracing.extract({"traceparent": environ.get("HTTP_TRACEPARENT") or ""}),
                code=app.name,
                transport="REST",
            ):
                return wsgi(environ, start_response)
        finally:
            context.reset_service(token)

    return traced


class _Frame:
    """Around every request: request id, who asks, the access decision."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._public = {(r.method, r.path) for r in app.routes if r.public}

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        req.context.max_body = self._app.max_body
        req.context.malformed = self._app.malformed
        req.context.ctxt = self._context_of(req)
        resp.set_header("x-openstack-request-id", req.context.ctxt.request_id)
        if self._app.rewrite is not None:
            self._app.rewrite(req)
        if self._app.before is not None:
            self._app.before(req, resp)

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: Any, params: Any
    ) -> None:
        if (req.method, req.uri_template) in self._public:
            return
        if not req.context.authenticated:
            raise errors.Unauthorized()

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: Any, req_succeeded: bool
    ) -> None:
        if self._app.after is not None:
            self._app.after(req, resp)
        tracing.annotate(status=resp.status_code, template=req.uri_template)

    def _context_of(self, req: falcon.Request) -> context.RequestContext:
        if self._app.authenticate is not None:
            ctxt = self._app.authenticate(req)
            req.context.authenticated = ctxt is not None
            return ctxt or context.RequestContext(overwrite=False)
        req.context.authenticated = req.env.get("HTTP_X_IDENTITY_STATUS") == "Confirmed"
        if not req.context.authenticated:
            return context.RequestContext(overwrite=False)
        inbound = req.get_header("X-OpenStack-Request-ID")
        return context.RequestContext.from_environ(
            req.env,
            request_id=oslo_context.generate_request_id(),
            global_request_id=inbound,
            overwrite=False,
        )


class _Resource:
    """The methods of one path, as falcon wants them."""

    def __init__(self, app: App, routes: dict[str, Route]) -> None:
        for method, route in routes.items():
            setattr(self, f"on_{method.lower()}", self._responder(route))

    @staticmethod
    def _responder(route: Route) -> Callable[..., None]:
        location = _handler_location(route.handler)

        def respond(req: falcon.Request, resp: falcon.Response, **params: str) -> None:
            resp.status = route.status
            tracing.annotate(handler=location)
            body = route.handler(req, resp, **params)
            if body is not None:
                resp.text = json.dumps(body)
                resp.content_type = falcon.MEDIA_JSON

        return respond


def _handler_location(handler: Handler) -> str:
    """`minova/api/servers.py:create` of a handler."""
    return f"{handler.__module__.replace('.', '/')}.py:{handler.__name__}"


class _Renderer:
    """Any exception becomes the service's error body; the unexpected is logged."""

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(
        self, req: falcon.Request, resp: falcon.Response, error: Exception, params: Any
    ) -> None:
        status = status_of(error, self._app.extra_families)
        message = getattr(error, "message", None) or _falcon_message(error, req)
        if status == 500 and not _is_known(error, self._app.extra_families):
            LOG.error("%s %s failed", req.method, self._app.shown_path(req.path), exc_info=error)
            message = UNEXPECTED
        tracing.mark_failed(message)
        resp.status = status
        if status == 401:
            for name, value in self._app.unauthorized_headers().items():
                resp.set_header(name, value)
        if isinstance(error, falcon.HTTPError) and error.headers:
            resp.set_headers(error.headers)
        body = self._app.dialect(status, message, error)
        resp.text = body if isinstance(body, str) else json.dumps(body)
        resp.content_type = falcon.MEDIA_JSON


def _falcon_message(error: Exception, req: falcon.Request) -> str:
    if isinstance(error, falcon.HTTPNotFound):
        return "The resource could not be found."
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        return f"The method {req.method} is not allowed for this resource."
    if isinstance(error, falcon.HTTPError):
        return error.description or error.title or UNEXPECTED
    return UNEXPECTED


def _by_path(routes: Iterable[Route]) -> dict[str, dict[str, Route]]:
    table: dict[str, dict[str, Route]] = defaultdict(dict)
    for route in routes:
        table[route.path][route.method] = route
    return table
