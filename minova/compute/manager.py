"""nova-compute's RPC endpoint: takes work, and does one thing at a time per instance.

A message names work in flight. The work is taken at once, so that its lease
is ours while it waits for a free worker; builds, deletes and other actions
then run in their own pools, and a build never keeps an instance's delete from starting
for longer than its current step.
"""

import contextvars
import functools
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import oslo_messaging
from oslo_config import cfg

from minova.clients.image import ImageClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.inflight import InFlight
from minova.compute import consoles
from minova.compute.actions.host import Host
from minova.compute.actions.password import setting
from minova.compute.actions.runner import Runner
from minova.compute.build import Builder, Download
from minova.compute.rpcapi import VERSION
from minova.conductor.rpcapi import ConductorAPI
from minova.model import states
from minova.model.diagnostics import Diagnostics
from minova.model.steps import step
from minova.model.work import Work
from minova.virt.driver import Driver

LOG = logging.getLogger(__name__)
_ACTION_WORKERS = 16
_DELETES = ("delete", "forceDelete")
# What does not wait for the end of what is being done to the server.
_TAKES_OVER = (*_DELETES, "softDelete", "reboot_hard")


class ComputeManager:
    """The methods of `compute.rpcapi`, under the same names."""

    target = oslo_messaging.Target(version=VERSION)

    def __init__(self, driver: Driver, conductor: ConductorAPI, host: str, owner: str) -> None:
        self.owner = owner
        self._driver = driver
        self._conductor = conductor
        self._host = host
        self._builder = Builder(driver, conductor, host, owner)
        self._busy = InFlight()
        self._locks = InstanceLocks()
        self._runner = Runner(Host(driver, conductor, self._builder, host, owner))
        self._builds = ThreadPoolExecutor(cfg.CONF.compute.max_concurrent_builds, "build")
        self._others = ThreadPoolExecutor(_ACTION_WORKERS, "action")
        # While all others wait for their guests, a server can still be deleted.
        self._deletes = ThreadPoolExecutor(_ACTION_WORKERS, "delete")

    def build(self, ctxt: RequestContext, work_id: str) -> None:
        """Step 8: take the build; a worker does the rest."""
        with step(8) as span:
            work = self._take(ctxt, work_id)
            if work is not None:
                span.set_attribute("minova.instance", work.instance_uuid)
        if work is not None:
            build = functools.partial(self._builder.build, ctxt, work)
            self._submit(self._builds, work, build)

    def run(self, ctxt: RequestContext, work_id: str) -> None:
        """Take any other action."""
        work = self._take(ctxt, work_id)
        if work is not None:
            if work.action in _TAKES_OVER:
                self._locks.cancel(work.instance_uuid)
            pool = self._deletes if work.action in _DELETES else self._others
            self._submit(pool, work, functools.partial(self._runner.run, ctxt, work))

    def set_password(self, ctxt: RequestContext, work_id: str, password: str) -> None:
        """Do a changePassword while the caller waits, who has the only copy of the password."""
        work = self._take(ctxt, work_id)
        if work is None:
            raise errors.Conflict("The password is not changed: another took the action over.")
        cancelled = self._locks.announce(work.instance_uuid)
        try:
            with self._locks.hold(work.instance_uuid):
                act = functools.partial(setting, password)
                failure = self._runner.do(ctxt, work, cancelled, act)
        finally:
            self._locks.forget(work.instance_uuid, cancelled)
            self._busy.discard(work_id)
        if failure is not None:
            raise failure

    def diagnostics(self, ctxt: RequestContext, uuid: str) -> Diagnostics:
        """What a guest has used."""
        return self._driver.diagnostics(self._conductor.instance_get(ctxt, uuid))

    def console_output(self, ctxt: RequestContext, uuid: str, lines: int | None) -> str:
        """The end of the console log, as text."""
        instance = self._conductor.instance_get(ctxt, uuid)
        text = self._driver.console_output(instance).decode("utf-8", "replace")
        if lines is None or lines < 0:
            return text
        # As Nova counts: what follows the last line feed is a line, too.
        return "\n".join(text.split("\n")[-lines:]) if lines else ""

    def console_base_url(self, ctxt: RequestContext, uuid: str, protocol: str) -> str:
        """Where clients reach this host's consoles of `protocol`, when there is a guest."""
        instance = self._conductor.instance_get(ctxt, uuid)
        if self._driver.power_state(instance) == states.NOSTATE:
            raise errors.Conflict(f"Instance {uuid} is not ready")
        return consoles.base_url(protocol)

    def cache_images(self, ctxt: RequestContext, image_ids: list[str]) -> None:
        """Fetch images into the cache, one after the other; what fails is only logged."""
        self._others.submit(contextvars.copy_context().run, self._cache_images, image_ids)

    def _cache_images(self, image_ids: list[str]) -> None:
        images = ImageClient()
        for image_id in image_ids:
            try:
                meta = images.get(image_id)
                self._driver.cache_image(Download(images, meta, threading.Event()))
                LOG.info("image %s is cached", image_id)
            except Exception as error:
                reason = getattr(error, "message", None) or "see above"
                LOG.exception("image %s cannot be cached: %s", image_id, reason)

    def forget(self, ctxt: RequestContext, uuid: str) -> None:
        """Remove what is here of an instance, unless it is this host's or may come back to it."""
        with self.alone_with(uuid):
            try:
                host = self._conductor.instance_get(ctxt, uuid).host
            except errors.NotFound:
                host = None
            if host != self._host and uuid not in self._conductor.moving_from(ctxt, self._host):
                LOG.warning("instance %s is not this host's; removing what it left", uuid)
                self._driver.destroy_leftover(uuid)

    def renew_leases(self, ctxt: RequestContext) -> None:
        """Keep what this process works on."""
        ids = self._busy.ids()
        if ids:
            self._conductor.renew_leases(ctxt, self.owner, ids)

    def is_busy_with(self, instance_uuid: str) -> bool:
        """Whether a build or an action of the instance runs here now."""
        return self._locks.is_held(instance_uuid)

    @contextmanager
    def alone_with(self, instance_uuid: str) -> Iterator[None]:
        """No build and no action of the instance runs here during the block."""
        with self._locks.hold(instance_uuid):
            yield

    def stop(self) -> None:
        """Finish what runs, start nothing more."""
        self._builds.shutdown(wait=True, cancel_futures=True)
        self._others.shutdown(wait=True, cancel_futures=True)
        self._deletes.shutdown(wait=True, cancel_futures=True)

    def _take(self, ctxt: RequestContext, work_id: str) -> Work | None:
        if not self._busy.add(work_id):
            return None
        work = None
        try:
            work = self._conductor.take_work(ctxt, work_id, self.owner, self._host)
        finally:
            if work is None:
                self._busy.discard(work_id)
        return work

    def _submit(
        self, pool: ThreadPoolExecutor, work: Work, act: Callable[[threading.Event], None]
    ) -> None:
        """Run `act` in `pool`, in this trace, alone with its instance.

        From now on, what takes the instance over sets the event that `act` gets.
        """
        cancelled = self._locks.announce(work.instance_uuid)

        def alone() -> None:
            try:
                with self._locks.hold(work.instance_uuid):
                    act(cancelled)
            except errors.MinovaError as error:
                LOG.error("instance %s: %s", work.instance_uuid, error.message)
            except Exception:
                LOG.exception("%s of instance %s broke", work.action, work.instance_uuid)
            finally:
                self._locks.forget(work.instance_uuid, cancelled)
                self._busy.discard(work.id)

        pool.submit(contextvars.copy_context().run, alone)


class InstanceLocks:
    """One lock per instance in use, and a word for what another action of it takes over."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}
        self._announced: dict[str, list[threading.Event]] = {}

    def announce(self, uuid: str) -> threading.Event:
        """An event that `cancel` sets, until it is forgotten: each action's own."""
        event = threading.Event()
        with self._guard:
            self._announced.setdefault(uuid, []).append(event)
        return event

    def forget(self, uuid: str, event: threading.Event) -> None:
        """The action of the event has ended."""
        with self._guard:
            self._announced[uuid].remove(event)
            if not self._announced[uuid]:
                del self._announced[uuid]

    def cancel(self, uuid: str) -> None:
        """Tell what is being done to the instance, or waits for its turn, to stop at once."""
        with self._guard:
            for event in self._announced.get(uuid, ()):
                event.set()

    def is_held(self, uuid: str) -> bool:
        with self._guard:
            return uuid in self._locks

    @contextmanager
    def hold(self, uuid: str) -> Iterator[None]:
        """Alone with the instance for the block."""
        with self._guard:
            lock, users = self._locks.get(uuid, (threading.Lock(), 0))
            self._locks[uuid] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks[uuid]
                if users > 1:
                    self._locks[uuid] = (lock, users - 1)
                else:
                    del self._locks[uuid]
