"""One contract for every transport: `local://`, `fake://` and RabbitMQ.

RabbitMQ takes part when MINOVA_TEST_RABBIT_URL names a reachable broker
(`rabbit://guest:guest@127.0.0.1:5672/`).
"""

import dataclasses
import datetime as dt
import os
import queue
import threading
import time
import uuid

import oslo_messaging
import pytest
from oslo_config import cfg

from minova.common import context, errors, rpc, tracing, wire

RABBIT = os.environ.get("MINOVA_TEST_RABBIT_URL")
TRANSPORTS = [
    "local://",
    "fake://",
    pytest.param(
        RABBIT or "rabbit://",
        id="rabbit://",
        marks=pytest.mark.skipif(not RABBIT, reason="MINOVA_TEST_RABBIT_URL is not set"),
    ),
]
DEADLINE = 10


@wire.record
@dataclasses.dataclass
class Parcel:
    name: str
    at: dt.datetime
    tags: list[str] = dataclasses.field(default_factory=list)


class Unheard(Exception):
    """An exception no caller may rebuild."""


class Endpoint:
    target = oslo_messaging.Target(version="1.2")

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: queue.Queue = queue.Queue()
        self.gate = threading.Event()
        self.entered = threading.Event()

    def whoami(self, ctxt):
        return self.name

    def echo(self, ctxt, value):
        return value

    def note(self, ctxt, value):
        self.seen.put(value)

    def caller(self, ctxt):
        return {
            "user": ctxt.user_id,
            "project": ctxt.project_id,
            "roles": ctxt.roles,
            "request": ctxt.request_id,
            "token": ctxt.auth_token,
            "service": context.current_service(),
            "trace": ctxt.trace.get("traceparent"),
            "span": _current_trace(),
            "delay": time.time() - ctxt.sent_at,
        }

    def missing(self, ctxt):
        raise errors.NotFound(resource="Parcel", id="p-1")

    def refuse(self, ctxt):
        raise errors.Conflict("Parcel p-1 is on its way; wait until it has arrived.")

    def crash(self, ctxt):
        raise Unheard("out of string")

    def slow(self, ctxt):
        self.entered.set()
        assert self.gate.wait(DEADLINE)
        self.seen.put("slow done")
        return "done"

    def strange(self, ctxt):
        return object()


@pytest.fixture(params=TRANSPORTS)
def url(request):
    oslo_messaging.TransportURL(cfg.CONF)  # registers transport_url
    rpc.cleanup()
    cfg.CONF.set_override("transport_url", request.param)
    yield request.param
    rpc.cleanup()
    cfg.CONF.clear_override("transport_url")


@pytest.fixture
def topic():
    return f"parcels-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def start(url, topic):
    """Starts a server on the test's topic; all are stopped at the end."""
    servers = []

    def start(name="one", threads=None):
        endpoint = Endpoint(name)
        server = rpc.serve("parcel-service", topic, name, [endpoint])
        server.start(override_pool_size=threads)
        servers.append((endpoint, server))
        endpoint.server = server
        return endpoint

    yield start
    for endpoint, server in servers:
        endpoint.gate.set()
        server.stop()
        server.wait()


@pytest.fixture
def client(url, topic):
    return rpc.Client(topic, "1.0")


@pytest.fixture
def ctxt():
    return context.RequestContext(
        user_id="u-1", project_id="p-1", roles=["member"], auth_token="secret", overwrite=False
    )


def _current_trace() -> str | None:
    carrier: dict[str, str] = {}
    tracing.inject(carrier)
    return carrier.get("traceparent")


def _taken(endpoint, number=1):
    return [endpoint.seen.get(timeout=DEADLINE) for _ in range(number)]


def test_a_call_returns_what_the_server_answered(start, client, ctxt):
    start()
    for value in ("text", 7, 1.5, None, True, [1, [2]], {"a": {"b": None}}, "ünïcode\u2603"):
        assert client.call(ctxt, "echo", value=value) == value


def test_records_and_dates_arrive_as_what_they_were(start, client, ctxt):
    start()
    parcel = Parcel("books", dt.datetime(2024, 2, 29, 12, 30, 1, 5), ["heavy"])
    assert client.call(ctxt, "echo", value={"deep": [parcel]}) == {"deep": [parcel]}


def test_the_server_cannot_change_the_callers_objects(start, client, ctxt):
    endpoint = start()
    mine = {"list": [1]}
    client.cast(ctxt, "note", value=mine)
    _taken(endpoint)[0]["list"].append(2)
    assert mine == {"list": [1]}


def test_the_server_knows_who_asks_but_gets_no_token(start, client, ctxt):
    start()
    seen = client.call(ctxt, "caller")
    assert seen["user"] == "u-1"
    assert seen["project"] == "p-1"
    assert seen["roles"] == ["member"]
    assert seen["request"] == ctxt.request_id
    assert seen["token"] is None
    assert seen["service"] == "parcel-service"
    assert 0 <= seen["delay"] < DEADLINE


@pytest.mark.parametrize("url", ["local://"], indirect=True)
def test_no_transport_leaves_the_servers_name_behind(start, client, ctxt):
    start()
    client.call(ctxt, "caller")
    assert context.current_service() == "minova"


def test_the_trace_goes_on_at_the_server(start, client, ctxt, recording):
    start()
    with tracing.span("a launch"):
        mine = _current_trace()
        seen = client.call(ctxt, "caller")
    trace_id = mine.split("-")[1]
    assert seen["trace"].split("-")[1] == trace_id
    assert seen["span"].split("-")[1] == trace_id
    assert seen["span"] != seen["trace"]


@pytest.fixture
def recording(monkeypatch):
    from opentelemetry.sdk.trace import TracerProvider

    monkeypatch.setattr(tracing, "_tracer", TracerProvider().get_tracer("test"))


def test_a_cast_is_done_by_one_server(start, client, ctxt):
    endpoint = start()
    assert client.cast(ctxt, "note", value="hello") is None
    assert _taken(endpoint) == ["hello"]


def test_casts_to_one_consumer_keep_their_order(start, client, ctxt):
    endpoint = start(threads=1)
    for number in range(200):
        client.cast(ctxt, "note", value=number)
    assert _taken(endpoint, 200) == list(range(200))


def test_the_servers_of_a_topic_take_turns(start, client, ctxt):
    start("one")
    start("two")
    names = [client.call(ctxt, "whoami") for _ in range(20)]
    assert names.count("one") > 0
    assert names.count("two") > 0


def test_a_call_to_one_server_reaches_only_that_one(start, client, ctxt):
    start("one")
    start("two")
    assert [client.call(ctxt, "whoami", server="two") for _ in range(5)] == ["two"] * 5


def test_a_fanout_reaches_every_server_once(start, client, ctxt):
    endpoints = [start(name) for name in ("one", "two", "three")]
    client.fanout(ctxt, "note", value="all")
    for endpoint in endpoints:
        assert _taken(endpoint) == ["all"]
        assert client.call(ctxt, "whoami", server=endpoint.name) == endpoint.name
        assert endpoint.seen.empty()


def test_a_newer_client_is_told_that_the_version_is_unknown(start, topic, ctxt):
    start()
    for version in ("1.3", "2.0"):
        with pytest.raises(Exception) as caught:
            rpc.Client(topic, version).call(ctxt, "whoami")
        assert _remote_type(caught.value) == "UnsupportedVersion"
    assert rpc.Client(topic, "1.2").call(ctxt, "whoami") == "one"


def test_an_unknown_or_private_method_is_refused(start, client, ctxt):
    start()
    for method in ("no_such_method", "__init__"):
        with pytest.raises(Exception) as caught:
            client.call(ctxt, method)
        assert _remote_type(caught.value) == "NoSuchMethod"


def _remote_type(error: Exception) -> str:
    # fake:// hands the exception object itself over; real ones name its class.
    return getattr(error, "exc_type", None) or type(error).__name__


def test_a_domain_error_comes_back_with_its_message(start, client, ctxt):
    start()
    with pytest.raises(errors.NotFound) as caught:
        client.call(ctxt, "missing")
    assert caught.value.message == "Parcel p-1 could not be found."
    assert caught.value.kwargs == {"resource": "Parcel", "id": "p-1"}
    with pytest.raises(errors.Conflict) as refused:
        client.call(ctxt, "refuse")
    assert refused.value.message == "Parcel p-1 is on its way; wait until it has arrived."


def test_an_exception_of_an_unknown_module_is_not_rebuilt(url, start, client, ctxt):
    start()
    expected = Unheard if url == "fake://" else oslo_messaging.RemoteError
    with pytest.raises(expected) as caught:
        client.call(ctxt, "crash")
    assert _remote_type(caught.value) == "Unheard"
    assert "out of string" in str(caught.value)


def test_a_call_to_nobody_times_out(client, ctxt):
    began = time.monotonic()
    with pytest.raises(errors.Timeout) as caught:
        client.call(ctxt, "whoami", timeout=1)
    assert 0.9 < time.monotonic() - began < 5
    assert caught.value.message.endswith("did not finish within 1 s.")


def test_a_call_that_takes_too_long_times_out_and_the_server_goes_on(start, client, ctxt):
    endpoint = start()
    with pytest.raises(errors.Timeout):
        client.call(ctxt, "slow", timeout=0.5)
    endpoint.gate.set()
    assert _taken(endpoint) == ["slow done"]
    assert client.call(ctxt, "whoami") == "one"


def test_what_is_no_json_cannot_be_sent(start, client, ctxt):
    endpoint = start()
    circle: list = []
    circle.append(circle)
    for bad in (circle, object()):
        with pytest.raises((TypeError, ValueError, RecursionError)):
            client.cast(ctxt, "note", value=bad)
    client.cast(ctxt, "note", value="good")
    assert _taken(endpoint) == ["good"]


def test_a_stopping_server_finishes_the_work_in_hand(start, client, ctxt):
    endpoint = start()
    answers: list = []
    caller = threading.Thread(
        target=lambda: answers.append(client.call(ctxt, "slow", timeout=DEADLINE))
    )
    caller.start()
    assert endpoint.entered.wait(DEADLINE)
    endpoint.server.stop()
    with pytest.raises(errors.Timeout):
        client.call(ctxt, "whoami", timeout=0.5)
    endpoint.gate.set()
    endpoint.server.wait()
    caller.join(DEADLINE)
    assert answers == ["done"]


def test_a_restarted_server_finds_what_was_cast_meanwhile(start, client, ctxt):
    endpoint = start()
    assert client.call(ctxt, "whoami") == "one"
    endpoint.server.stop()
    endpoint.server.wait()
    client.cast(ctxt, "note", value="to the topic")
    client.cast(ctxt, "note", value="to the server", server="one")
    again = start()
    assert sorted(_taken(again, 2)) == ["to the server", "to the topic"]
    assert client.call(ctxt, "whoami", server="one") == "one"


def test_a_stop_without_traffic_is_quick(url, start):
    endpoint = start()
    began = time.monotonic()
    endpoint.server.stop()
    endpoint.server.wait()
    # oslo's rabbit listener looks up from its socket every few seconds.
    assert time.monotonic() - began < (6 if url.startswith("rabbit") else 0.5)


def test_two_thousand_calls_from_ten_threads_all_get_their_own_answer(url, start, client, ctxt):
    # fake:// looks for a message every 50 ms; a tenth of the calls is enough waiting.
    each = 20 if url == "fake://" else 200
    start()
    client.call(ctxt, "echo", value=0)
    wrong: list = []

    def many(first):
        for number in range(first, first + each):
            if client.call(ctxt, "echo", value=number) != number:
                wrong.append(number)

    threads = [threading.Thread(target=many, args=(n * each,)) for n in range(10)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    elapsed = time.monotonic() - began
    assert not wrong
    print(f"\n{url.split(':')[0]}: {10 * each / elapsed:.0f} calls/s from 10 threads")


@pytest.mark.parametrize("url", ["local://"], indirect=True)
def test_a_local_call_takes_less_than_a_millisecond(start, client, ctxt):
    start()
    took = []
    for number in range(300):
        began = time.perf_counter()
        client.call(ctxt, "echo", value={"number": number, "words": ["a", "b"]})
        took.append(time.perf_counter() - began)
    median = sorted(took)[150]
    print(f"\nlocal: {median * 1e6:.0f} \u00b5s a call")
    assert median < 0.001


def test_notifications_wait_for_their_listener(url, topic):
    transport = oslo_messaging.get_notification_transport(cfg.CONF, url=url)
    notifier = oslo_messaging.Notifier(transport, "here", driver="messaging", topics=[topic])
    seen: queue.Queue = queue.Queue()

    class Listener:
        def info(self, ctxt, publisher_id, event_type, payload, metadata):
            seen.put((publisher_id, event_type, payload))

    notifier.info({}, "parcel.sent", {"id": 1})
    listener = oslo_messaging.get_notification_listener(
        transport, [oslo_messaging.Target(topic=topic)], [Listener()], executor="threading"
    )
    listener.start()
    notifier.info({}, "parcel.arrived", {"id": 1})
    try:
        got = sorted(seen.get(timeout=DEADLINE)[1] for _ in range(2))
        assert got == ["parcel.arrived", "parcel.sent"]
    finally:
        listener.stop()
        listener.wait()
        transport.cleanup()


def test_a_server_hears_only_its_exchange(url, topic):
    # Each exchange has its own topic: RabbitMQ's queues are not named after the exchange.
    servers = []
    topics = {exchange: f"{topic}-{exchange}" for exchange in ("north", "south")}
    for exchange, name in topics.items():
        target = oslo_messaging.Target(exchange=exchange, topic=name, server="one")
        server = oslo_messaging.get_rpc_server(
            rpc.transport(), target, [Endpoint(exchange)], executor="threading"
        )
        server.start()
        servers.append(server)

    def ask(exchange, name):
        target = oslo_messaging.Target(exchange=exchange, topic=name, version="1.0")
        return oslo_messaging.get_rpc_client(rpc.transport(), target, timeout=1).call({}, "whoami")

    try:
        for exchange, name in topics.items():
            assert ask(exchange, name) == exchange
        with pytest.raises(oslo_messaging.MessagingTimeout):
            ask("north", topics["south"])
    finally:
        for server in servers:
            server.stop()
            server.wait()
