"""`local://`: an oslo.messaging driver for a cloud that lives in one process.

Queues are in memory and every wait blocks on a lock: nothing polls, an idle
bus costs nothing. A message goes straight from its sender to the server's
workers; no thread stands in between. Messages, replies and errors cross it as JSON exactly as
over a broker, so code that works here works on `rabbit://`, and code that
would fail there (an object that is no JSON, an exception the caller may not
rebuild) fails here the same way.

- `local://` is one bus per process, `local:///name` another one. It lives as
  long as some transport is open on it.
- A message to a topic or a server waits in its queue until somebody listens,
  at most `MAX_WAITING` of them; then the oldest goes first, as in a broker's
  bounded queue. A fanout reaches who listens now.
- A call whose caller gave up is withdrawn from its queue.

tests/contract/test_messaging.py is what this driver, `fake://` and RabbitMQ
have in common.
"""

import itertools
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import oslo_messaging
from oslo_messaging._drivers import base, common
from oslo_serialization import jsonutils

LOG = logging.getLogger(__name__)
MAX_WAITING = 10_000

# Exchange, topic (or topic.server, or topic.priority), pool of listeners.
Address = tuple[str, str, str | None]
# What a server gives to have messages handed to it, in lists.
Sink = Callable[[list[Any]], None]


class LocalDriver(base.BaseDriver):
    """What oslo.messaging loads for `local://`."""

    def __init__(
        self,
        conf: Any,
        url: Any,
        default_exchange: str | None = None,
        allowed_remote_exmods: list[str] | None = None,
    ) -> None:
        super().__init__(conf, url, default_exchange, allowed_remote_exmods)
        # The list itself, not a copy: minova.common.rpc adds to it later.
        self._rebuildable = allowed_remote_exmods if allowed_remote_exmods is not None else []
        self._bus: _Bus | None = _Bus.join(url.virtual_host or "")
        self._listeners: list[_Listener] = []

    def require_features(self, requeue: bool = False) -> None:
        """Everything is supported."""

    def send(
        self,
        target: oslo_messaging.Target,
        ctxt: dict[str, Any],
        message: dict[str, Any],
        wait_for_reply: bool | None = None,
        timeout: float | None = None,
        call_monitor_timeout: float | None = None,
        retry: int | None = None,
        transport_options: Any = None,
    ) -> Any:
        """Hand `message` over and, for a call, wait `timeout` seconds for its answer.

        Raises the remote's exception, or MessagingTimeout. There are no
        heartbeats to monitor: a peer in this process cannot vanish alone.
        """
        bus = self._running_bus()
        sent = _Message(jsonutils.dumps([ctxt, message]), bool(wait_for_reply))
        exchange = target.exchange or self._default_exchange
        if target.fanout:
            bus.fan_out((exchange, target.topic, None), sent)
            return None
        name = f"{target.topic}.{target.server}" if target.server else target.topic
        bus.put((exchange, name, None), sent)
        if sent.replies is None:
            return None
        try:
            answer = sent.replies.get(timeout=timeout)
        except queue.Empty:
            bus.withdraw((exchange, name, None), sent)
            raise oslo_messaging.MessagingTimeout(
                f"No reply on topic {name} within {timeout} s"
            ) from None
        result, failure = jsonutils.loads(answer)
        if failure is not None:
            raise common.deserialize_remote_exception(failure, self._rebuildable)
        return result

    def send_notification(
        self,
        target: oslo_messaging.Target,
        ctxt: dict[str, Any],
        message: dict[str, Any],
        version: float,
        retry: int | None = None,
    ) -> None:
        """Leave `message` for each pool of listeners of the topic, now or later."""
        sent = _Message(jsonutils.dumps([ctxt, message]), False)
        exchange = target.exchange or self._default_exchange
        self._running_bus().put_in_all_pools(exchange, target.topic, sent)

    def listen(
        self, target: oslo_messaging.Target, batch_size: int, batch_timeout: float | None
    ) -> base.PollStyleListenerAdapter:
        exchange = target.exchange or self._default_exchange
        addresses: list[Address] = [
            (exchange, target.topic, None),
            (exchange, f"{target.topic}.{target.server}", None),
        ]
        return _Direct(self._subscribed(addresses), batch_size, batch_timeout)

    def listen_for_notifications(
        self,
        targets_and_priorities: Iterable[tuple[oslo_messaging.Target, str]],
        pool: str | None,
        batch_size: int,
        batch_timeout: float | None,
    ) -> base.PollStyleListenerAdapter:
        addresses: list[Address] = [
            (target.exchange or self._default_exchange, f"{target.topic}.{priority}", pool)
            for target, priority in targets_and_priorities
        ]
        return base.PollStyleListenerAdapter(self._subscribed(addresses), batch_size, batch_timeout)

    def cleanup(self) -> None:
        """Stop this driver's listeners and leave the bus. Idempotent."""
        for listener in self._listeners:
            listener.stop()
        self._listeners.clear()
        if self._bus is not None:
            self._bus.leave()
            self._bus = None

    def _subscribed(self, addresses: Sequence[Address]) -> "_Listener":
        listener = _Listener(self._running_bus(), addresses)
        self._listeners = [known for known in self._listeners if not known.stopped]
        self._listeners.append(listener)
        return listener

    def _running_bus(self) -> "_Bus":
        if self._bus is None:
            raise oslo_messaging.MessageDeliveryFailure("The local:// transport is closed")
        return self._bus


class _Message:
    """What lies in a queue: JSON text, and for a call the place of its answer."""

    __slots__ = ("abandoned", "payload", "replies")

    def __init__(self, payload: str, wants_reply: bool) -> None:
        self.payload = payload
        self.replies: queue.SimpleQueue[str] | None = queue.SimpleQueue() if wants_reply else None
        self.abandoned = False


class _Incoming(base.RpcIncomingMessage):
    """A message in the hands of a server."""

    _ids = itertools.count(1)

    def __init__(self, bus: "_Bus", address: Address, sent: _Message) -> None:
        ctxt, message = jsonutils.loads(sent.payload)
        super().__init__(ctxt, message, msg_id=f"local-{next(self._ids)}")
        self._bus, self._address, self._sent = bus, address, sent

    def reply(self, reply: Any = None, failure: Any = None) -> None:
        """Answer the caller; a cast has none. TypeError if `reply` is no JSON."""
        if self._sent.replies is None:
            return
        text = common.serialize_remote_exception(failure) if failure else None
        self._sent.replies.put(jsonutils.dumps([reply, text]))

    def requeue(self) -> None:
        self._bus.put(self._address, self._sent)

    def heartbeat(self) -> None:
        """Nobody needs one, see LocalDriver.send."""


class _Listener(base.PollStyleListener):
    """Takes what the bus puts into its inbox; None in it says: stopped.

    Once it is `connected`, the bus hands messages to the sink instead.
    """

    def __init__(self, bus: "_Bus", addresses: Sequence[Address]) -> None:
        super().__init__()
        self.inbox: queue.SimpleQueue[tuple[Address, _Message] | None] = queue.SimpleQueue()
        self.addresses = addresses
        self.stopped = False
        self.sink: Sink | None = None
        self._delivering = threading.Lock()
        self._bus = bus
        bus.subscribe(self)

    def connect(self, sink: Sink) -> None:
        """From now on give each message to `sink`, in its sender's thread."""
        for address, sent in self._bus.connect(self, sink):
            if not self.deliver(address, sent):
                self._bus.put(address, sent)

    def deliver(self, address: Address, sent: _Message) -> bool:
        """Give the sink a message; False when the listener has stopped meanwhile."""
        if sent.abandoned:
            return True
        incoming = _Incoming(self._bus, address, sent)
        # Never after `stop` has returned: the workers behind the sink are gone then.
        with self._delivering:
            if self.stopped or self.sink is None:
                return False
            self.sink([incoming])
            return True

    def poll(
        self,
        timeout: float | None = None,
        batch_size: int = 1,
        batch_timeout: float | None = None,
    ) -> list[_Incoming]:
        """Up to `batch_size` messages; blocks for the first one.

        Returns what there is when `timeout` seconds passed without any, when
        `batch_timeout` seconds passed since the first one, or when stopped.
        """
        batch: list[_Incoming] = []
        deadline = None if timeout is None else time.monotonic() + timeout
        while len(batch) < batch_size:
            try:
                taken = self.inbox.get(timeout=self._seconds_left(deadline))
            except queue.Empty:
                break
            if taken is None:
                break
            address, sent = taken
            if sent.abandoned:
                continue
            batch.append(_Incoming(self._bus, address, sent))
            if len(batch) == 1 and batch_timeout is not None:
                deadline = time.monotonic() + batch_timeout
        return batch

    def stop(self) -> None:
        """No new messages; those in the inbox can still be polled. Idempotent."""
        if self._bus.unsubscribe(self):
            self.inbox.put(None)
        with self._delivering:
            self.sink = None

    def cleanup(self) -> None:
        self.stop()

    def _seconds_left(self, deadline: float | None) -> float | None:
        if self.stopped:
            return 0
        return None if deadline is None else max(0.0, deadline - time.monotonic())


class _Direct(base.PollStyleListenerAdapter):
    """A listener for servers: no thread polls, each sender hands its message over."""

    def start(self, on_incoming_callback: Sink) -> None:
        self.on_incoming_callback = on_incoming_callback
        self._poll_style_listener.connect(on_incoming_callback)

    def stop(self) -> None:
        self._poll_style_listener.stop()


class _Queue:
    """Messages of one address: given to its listeners in turn, or kept until one comes."""

    __slots__ = ("address", "listeners", "waiting")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.listeners: deque[_Listener] = deque()
        self.waiting: deque[_Message] = deque()

    def put(self, sent: _Message) -> _Listener | None:
        """Keep the message, or the listener whose turn it is to be handed it."""
        if self.listeners:
            listener = self.listeners[0]
            self.listeners.rotate(-1)
            if listener.sink is not None:
                return listener
            listener.inbox.put((self.address, sent))
            return None
        if len(self.waiting) >= MAX_WAITING:
            self.waiting.popleft()
            LOG.warning("queue %s is full: dropped its oldest message", self.address[1])
        self.waiting.append(sent)
        return None

    def add(self, listener: _Listener) -> None:
        self.listeners.append(listener)
        while self.waiting:
            self.put(self.waiting.popleft())


class _Bus:
    """All queues behind one URL. One lock: every operation is a few steps."""

    _open: ClassVar[dict[str, "_Bus"]] = {}
    _open_lock = threading.Lock()

    @classmethod
    def join(cls, name: str) -> "_Bus":
        """The bus of that name, which now has one more user."""
        with cls._open_lock:
            bus = cls._open.setdefault(name, cls(name))
            bus._users += 1
            return bus

    def __init__(self, name: str) -> None:
        self._name = name
        self._users = 0
        self._lock = threading.Lock()
        self._queues: dict[Address, _Queue] = {}
        self._pools: dict[tuple[str, str], list[Address]] = {}

    def leave(self) -> None:
        """The last user to leave takes what still waits with it."""
        with self._open_lock:
            self._users -= 1
            if self._users == 0 and self._open.get(self._name) is self:
                del self._open[self._name]

    def put(self, address: Address, sent: _Message) -> None:
        delivered = False
        while not delivered:
            with self._lock:
                listener = self._queue(address).put(sent)
            delivered = listener is None or listener.deliver(address, sent)

    def put_in_all_pools(self, exchange: str, topic: str, sent: _Message) -> None:
        with self._lock:
            self._queue((exchange, topic, None))
            for address in self._pools[exchange, topic]:
                self._queues[address].put(sent)

    def fan_out(self, address: Address, sent: _Message) -> None:
        with self._lock:
            known = self._queues.get(address)
            listeners = list(known.listeners) if known else []
            direct = [listener for listener in listeners if listener.sink is not None]
            for listener in listeners:
                if listener.sink is None:
                    listener.inbox.put((address, sent))
        for listener in direct:
            listener.deliver(address, sent)

    def withdraw(self, address: Address, sent: _Message) -> None:
        """The caller gave up: whoever finds the message skips it."""
        with self._lock:
            sent.abandoned = True
            known = self._queues.get(address)
            if known is not None and sent in known.waiting:
                known.waiting.remove(sent)
                self._forget_if_unused(known)

    def subscribe(self, listener: _Listener) -> None:
        with self._lock:
            for address in listener.addresses:
                self._queue(address).add(listener)

    def connect(self, listener: _Listener, sink: Sink) -> list[tuple[Address, _Message]]:
        """Hand over from now on; what lay in the inbox until now."""
        waiting = []
        with self._lock:
            listener.sink = sink
            while not listener.inbox.empty():
                taken = listener.inbox.get()
                if taken is not None:
                    waiting.append(taken)
        return waiting

    def unsubscribe(self, listener: _Listener) -> bool:
        """False if it was not subscribed any more."""
        with self._lock:
            if listener.stopped:
                return False
            listener.stopped = True
            for address in listener.addresses:
                self._queues[address].listeners.remove(listener)
            return True

    def _queue(self, address: Address) -> _Queue:
        known = self._queues.get(address)
        if known is None:
            known = self._queues[address] = _Queue(address)
            self._pools.setdefault(address[:2], []).append(address)
        return known

    def _forget_if_unused(self, known: _Queue) -> None:
        """A call to a server that never was leaves nothing behind."""
        if not known.waiting and not known.listeners:
            del self._queues[known.address]
            self._pools[known.address[:2]].remove(known.address)
