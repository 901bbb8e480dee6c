"""What `local://` promises beyond the contract all transports share."""

import threading
import time

import oslo_messaging
import pytest
from oslo_config import cfg

from minova.common import localbus


@pytest.fixture
def driver(request):
    made = []

    def make(name=None):
        name = name or request.node.name
        url = oslo_messaging.TransportURL.parse(cfg.CONF, f"local:///{name}")
        made.append(localbus.LocalDriver(cfg.CONF, url, "exchange"))
        return made[-1]

    yield make
    for each in made:
        each.cleanup()


def _listener(driver, topic="topic", server="one"):
    adapter = driver.listen(oslo_messaging.Target(topic=topic, server=server), 1, None)
    return adapter._poll_style_listener


def _send(driver, number, topic="topic", **options):
    target = oslo_messaging.Target(topic=topic, **options)
    driver.send(target, {}, {"number": number})


def _numbers(batch):
    return [incoming.message["number"] for incoming in batch]


def test_servers_take_turns_strictly(driver):
    bus = driver()
    one, two = _listener(bus, server="one"), _listener(bus, server="two")
    for number in range(6):
        _send(bus, number)
    got = [_numbers(listener.poll(timeout=1)) for listener in (one, two) for _ in range(3)]
    assert got == [[0], [2], [4], [1], [3], [5]]


def test_a_full_queue_drops_its_oldest(driver, monkeypatch):
    monkeypatch.setattr(localbus, "MAX_WAITING", 3)
    bus = driver()
    for number in range(5):
        _send(bus, number)
    assert _numbers(_listener(bus).poll(timeout=1, batch_size=9, batch_timeout=0.01)) == [2, 3, 4]


def test_a_call_given_up_is_not_executed_later_and_leaves_no_queue(driver):
    bus = driver()
    with pytest.raises(oslo_messaging.MessagingTimeout):
        bus.send(
            oslo_messaging.Target(topic="topic", server="gone"),
            {},
            {"number": 1},
            wait_for_reply=True,
            timeout=0.01,
        )
    assert bus._bus._queues == {}
    assert _listener(bus, server="gone").poll(timeout=0) == []


@pytest.mark.parametrize("end", ["stop", "cleanup"])
def test_the_end_wakes_a_blocked_poll(driver, end):
    bus = driver()
    listener = _listener(bus)
    polled = []
    thread = threading.Thread(target=lambda: polled.append(listener.poll()))
    thread.start()
    (listener.stop if end == "stop" else bus.cleanup)()
    thread.join(5)
    assert polled == [[]]


def test_a_stopped_listener_still_hands_out_what_it_got(driver):
    bus = driver()
    listener = _listener(bus)
    _send(bus, 1)
    listener.stop()
    _send(bus, 2)
    assert [_numbers(listener.poll()) for _ in range(3)] == [[1], [], []]
    assert _numbers(_listener(bus).poll(timeout=1)) == [2]


def test_a_batch_waits_only_as_long_as_it_was_told(driver):
    bus = driver()
    listener = _listener(bus)
    _send(bus, 1)
    began = time.monotonic()
    assert _numbers(listener.poll(batch_size=2, batch_timeout=0.05)) == [1]
    assert time.monotonic() - began < 2


def test_each_pool_of_listeners_gets_a_notification_once(driver):
    bus = driver()
    target = oslo_messaging.Target(topic="events")
    pools = {
        name: bus.listen_for_notifications([(target, "info")], name, 1, None)._poll_style_listener
        for name in (None, "audit", "billing")
    }
    bus.send_notification(oslo_messaging.Target(topic="events.info"), {}, {"number": 1}, 2.0)
    for listener in pools.values():
        assert _numbers(listener.poll(timeout=1)) == [1]
        assert listener.poll(timeout=0) == []


def test_a_requeued_message_comes_again(driver):
    bus = driver()
    listener = _listener(bus)
    _send(bus, 1)
    listener.poll(timeout=1)[0].requeue()
    assert _numbers(listener.poll(timeout=1)) == [1]


def test_transports_of_one_name_share_a_bus_until_the_last_leaves(driver):
    first, second, other = driver("shared"), driver("shared"), driver("other")
    _send(first, 1)
    first.cleanup()
    assert _listener(other).poll(timeout=0) == []
    assert _numbers(_listener(second).poll(timeout=1)) == [1]
    _send(second, 2, topic="later")
    second.cleanup()
    assert _listener(driver("shared"), topic="later").poll(timeout=0) == []


def test_a_closed_transport_refuses_to_send(driver):
    bus = driver()
    bus.cleanup()
    bus.cleanup()
    with pytest.raises(oslo_messaging.MessageDeliveryFailure):
        _send(bus, 1)
