"""RPC on oslo.messaging: one transport, one serializer, versioned targets.

A folder's `rpcapi.py` builds a `Client`; its `manager.py` is an endpoint of
a `serve`d topic. Arguments and results may hold any `wire.record`; the
request context and the trace travel beside them.
"""

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import oslo_messaging
import tenacity
from opentelemetry.trace import SpanKind
from oslo_config import cfg
from oslo_messaging.rpc import dispatcher as rpc_dispatcher
from oslo_messaging.rpc import server as rpc_server

from minova.common import context, errors, tracing, wire

LOG = logging.getLogger(__name__)
_REMOTE_ERRORS = ["minova.common.errors"]
# How often a message is tried on a broker that is away: a caller is never stuck for longer than
# a few seconds, because the truth is in the DB and somebody there asks again.
_RETRIES = 2
# A broker that has just come back knows a queue when its listener has declared it again; until
# then messages would be dropped without a word. How long a cast waits for that:
_CAST_SECONDS = 3
_TO_A_QUEUE = oslo_messaging.TransportOptions(at_least_once=True)
# oslo.messaging's own defaults wait up to 30 s before they look for a broker that is back.
_RABBIT = {
    "rabbit_retry_interval": 1,
    "rabbit_retry_backoff": 1,
    "rabbit_interval_max": 1,
    "kombu_reconnect_delay": 0.1,
    "heartbeat_timeout_threshold": 15,
}
_lock = threading.Lock()
_transport: Any = None


def transport() -> Any:
    """The process's one transport, from `transport_url`; made on first use."""
    global _transport
    with _lock:
        if _transport is None:
            _transport = oslo_messaging.get_rpc_transport(
                cfg.CONF, allowed_remote_exmods=_REMOTE_ERRORS
            )
            if "oslo_messaging_rabbit" in cfg.CONF:
                for option, value in _RABBIT.items():
                    cfg.CONF.set_default(option, value, "oslo_messaging_rabbit")
        return _transport


def cleanup() -> None:
    """Close the transport; the next use opens a new one. Stop servers first."""
    global _transport
    with _lock:
        if _transport is not None:
            _transport.cleanup()
            _transport = None


class ContextSerializer(oslo_messaging.Serializer):
    """Carries records as tagged dicts, and context and trace as one dict."""

    def serialize_entity(self, ctxt: Any, entity: Any) -> Any:
        return wire.dump(entity)

    def deserialize_entity(self, ctxt: Any, entity: Any) -> Any:
        return wire.load(entity)

    def serialize_context(self, ctxt: context.RequestContext) -> dict[str, Any]:
        values = ctxt.to_wire()
        carrier: dict[str, str] = {}
        tracing.inject(carrier)
        values["trace"] = carrier
        values["sent_at"] = time.time()
        return values

    def deserialize_context(self, values: dict[str, Any]) -> context.RequestContext:
        ctxt = context.RequestContext.from_wire(values)
        ctxt.trace = values.get("trace") or {}
        ctxt.sent_at = values.get("sent_at")
        return ctxt


class Client:
    """Calls and casts to one topic.

    `call` raises the remote's domain error, `errors.Timeout` when nobody
    answered within `timeout` seconds, or `oslo_messaging.RemoteError` for a
    bug over there. `cast` promises nothing: whoever casts keeps the truth in
    the DB. Both raise `errors.Unavailable` when the broker is away for longer
    than a few seconds, `cast` also when nobody has ever listened. A client
    outlives `cleanup`.
    """

    def __init__(self, topic: str, version: str) -> None:
        self._topic = topic
        self._target = oslo_messaging.Target(topic=topic, version=version)
        # One pair, replaced as a whole: threads never see a client of another transport.
        self._prepared: tuple[Any, Any] = (None, None)

    def call(
        self,
        ctxt: context.RequestContext,
        method: str,
        *,
        server: str | None = None,
        timeout: float = 60,
        **kwargs: Any,
    ) -> Any:
        """The result of `method` on `server`, or on any server of the topic."""
        with tracing.span(
            f"call {self._topic}.{method}", kind=SpanKind.CLIENT, transport="RPC call"
        ):
            caller = self._prepare(server, timeout=timeout)
            try:
                with _broker_errors():
                    return _until_heard(timeout)(caller.call, ctxt, method, **kwargs)
            except (oslo_messaging.MessagingTimeout, oslo_messaging.MessageUndeliverable):
                raise errors.Timeout(
                    what=f"The {self._topic} service's {method}", seconds=int(timeout)
                ) from None

    def cast(
        self, ctxt: context.RequestContext, method: str, *, server: str | None = None, **kwargs: Any
    ) -> None:
        """Ask for `method` and go on; without a listener the message waits for one."""
        with tracing.span(
            f"cast {self._topic}.{method}", kind=SpanKind.PRODUCER, transport="RPC cast"
        ):
            caller = self._prepare(server)
            try:
                with _broker_errors():
                    _until_heard(_CAST_SECONDS)(caller.cast, ctxt, method, **kwargs)
            except oslo_messaging.MessageUndeliverable as error:
                raise errors.Unavailable(service=f"The {self._topic} service") from error

    def fanout(self, ctxt: context.RequestContext, method: str, **kwargs: Any) -> None:
        """Cast to every server that listens to the topic now."""
        with tracing.span(
            f"fanout {self._topic}.{method}", kind=SpanKind.PRODUCER, transport="RPC fanout"
        ):
            with _broker_errors():
                self._client().prepare(fanout=True).cast(ctxt, method, **kwargs)

    def _prepare(self, server: str | None, **options: Any) -> Any:
        if server is not None:
            options["server"] = server
        return self._client().prepare(transport_options=_TO_A_QUEUE, **options)

    def _client(self) -> Any:
        bus = transport()
        known_bus, client = self._prepared
        if known_bus is not bus:
            client = oslo_messaging.get_rpc_client(
                bus, self._target, serializer=ContextSerializer(), retry=_RETRIES
            )
            self._prepared = (bus, client)
        return client


@functools.cache
def _until_heard(seconds: float) -> tenacity.Retrying:
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(oslo_messaging.MessageUndeliverable),
        wait=tenacity.wait_random(0.05, 0.2),
        stop=tenacity.stop_after_delay(seconds),
        reraise=True,
    )


@contextmanager
def _broker_errors() -> Iterator[None]:
    """A broker that is away is errors.Unavailable, whichever layer has noticed.

    A new connection raises the client library's own errors, which are told by
    their module: it is not loaded where there is no broker.
    """
    try:
        yield
    except (oslo_messaging.MessageDeliveryFailure, OSError) as error:
        raise errors.Unavailable(service="The message broker") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("kombu", "amqp"):
            raise errors.Unavailable(service="The message broker") from error
        raise


class _TracedDispatcher(oslo_messaging.RPCDispatcher):
    """Runs each endpoint method in a span of its service."""

    def __init__(self, service: str, endpoints: Iterable[object], serializer: Any) -> None:
        super().__init__(list(endpoints), serializer, oslo_messaging.DefaultRPCAccessPolicy)
        self._service = service

    def dispatch(self, incoming: Any) -> Any:
        """Run the method a message names; NoSuchMethod or UnsupportedVersion if there is none.

        In place of oslo's own, which makes a watchdog thread for every
        message in case the caller monitors the call. Ours never do.
        """
        message = incoming.message
        method, version = message["method"], message.get("version", "1.0")
        compatible = False
        for endpoint in self.endpoints:
            target = getattr(endpoint, "target", None) or self._default_target
            if not self._is_namespace(target, message.get("namespace")):
                continue
            if not self._is_compatible(target, version):
                continue
            compatible = True
            if self.access_policy.is_allowed(endpoint, method) and hasattr(endpoint, method):
                return self._do_dispatch(endpoint, method, incoming.ctxt, message.get("args", {}))
        if compatible:
            raise rpc_dispatcher.NoSuchMethod(method)
        raise rpc_dispatcher.UnsupportedVersion(version, method=method)

    def _do_dispatch(self, endpoint: Any, method: str, ctxt: dict[str, Any], args: Any) -> Any:
        token = context.set_service(self._service)
        try:
            parent = tracing.extract(ctxt.get("trace") or {})
            with tracing.span(
                f"{self._service} {method}",
                kind=SpanKind.SERVER,
                parent=parent,
                code=_where(endpoint, method),
                transport="RPC",
                sent_at=ctxt.get("sent_at"),
            ):
                return super()._do_dispatch(endpoint, method, ctxt, args)
        except errors.MinovaError as error:
            # An expected answer to the caller, not a failure of this service.
            raise oslo_messaging.ExpectedException() from error
        finally:
            context.reset_service(token)


def _where(endpoint: Any, method: str) -> str:
    """`minova/compute/manager.py:build` of an endpoint's method."""
    function: Callable[..., Any] | None = getattr(endpoint, method, None)
    code = getattr(function, "__code__", None)
    module = type(endpoint).__module__.replace(".", "/") + ".py"
    return f"{module}:{code.co_name if code else method}"


def serve(
    service: str, topic: str, host: str, endpoints: Iterable[object]
) -> oslo_messaging.MessageHandlingServer:
    """A stopped server for `topic` on `host`; `start()` it, later `stop()` and `wait()`.

    Each endpoint has `target = oslo_messaging.Target(version=…)` and public
    methods `(ctxt, **kwargs)`; one thread runs one message. `wait` returns
    when the messages in hand are done.
    """
    dispatcher = _TracedDispatcher(service, endpoints, ContextSerializer())
    target = oslo_messaging.Target(topic=topic, server=host)
    return _Server(transport(), target, dispatcher, "threading")


class _Server(rpc_server.RPCServer):
    """oslo's server on the standard library's threads.

    The ones it would use look every second whether there is work: an idle
    process would wake up for nothing, and a stop would take a second.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._executor_cls = functools.partial(
            futures.ThreadPoolExecutor, thread_name_prefix=f"rpc-{self._target.topic}"
        )
