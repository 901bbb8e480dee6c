"""A cloud whose steps fail, or wait, when a test says so; and what such a launch may not leave.

The programs are the real ones, started by `python -m tests.faults`, which
puts a gate before each of `POINTS`. A gate is a file in a folder of the
test: a text makes the step fail with it, a pipe makes it wait.
"""

import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from minova.cmd import start
from minova.cmd.minova import main as minova_main
from minova.common import errors
from tests.cloud import Cloud

FOLDER = "MINOVA_TEST_FAULTS"
DEAF = "deaf"
DEADLINE = 60
# Gate -> module, class and method that it is put before, or (a step done) after.
POINTS = {
    "take": ("minova.conductor.manager", "ConductorManager", "take_work", "before"),
    "action": ("minova.compute.actions.runner", "Runner", "do", "before"),
    "launch": ("minova.conductor.launch", "Launcher", "_place", "before"),
    "claim": ("minova.scheduler.manager", "SchedulerManager", "_claim", "before"),
    "claimed": ("minova.scheduler.manager", "SchedulerManager", "_claim", "after"),
    "move": ("minova.scheduler.manager", "SchedulerManager", "_claim_move", "before"),
    "instance": ("minova.conductor.manager", "ConductorManager", "instance_to_build", "before"),
    "cache_image": ("minova.virt.fake", "FakeDriver", "cache_image", "before"),
    "make_disks": ("minova.virt.fake", "FakeDriver", "make_disks", "before"),
    "port": ("minova.companions.network.agent.noop", "NoopDriver", "ensure_port", "before"),
    "connect": ("minova.companions.volume.exports", "Exports", "start", "before"),
    "spawn": ("minova.virt.fake", "FakeDriver", "spawn", "before"),
    "spawned": ("minova.virt.fake", "FakeDriver", "spawn", "after"),
    "libvirt-spawn": ("minova.virt.libvirt.driver", "LibvirtDriver", "spawn", "before"),
    "libvirt-spawned": ("minova.virt.libvirt.driver", "LibvirtDriver", "spawn", "after"),
    "libvirt-migrated-in": ("minova.virt.libvirt.driver", "LibvirtDriver", "migrate_in", "after"),
    "reserved": ("minova.clients.volume", "VolumeClient", "reserve", "after"),
    "volume_made": ("minova.clients.volume", "VolumeClient", "create", "after"),
    "attach_interface": ("minova.virt.fake", "FakeDriver", "attach_interface", "before"),
    "migrate_out": ("minova.virt.fake", "FakeDriver", "migrate_out", "before"),
    "migrate_in": ("minova.virt.fake", "FakeDriver", "migrate_in", "before"),
    "snapshot": ("minova.virt.fake", "FakeDriver", "snapshot", "before"),
    "arriving": ("minova.compute.actions.resize", "_Move", "connected", "before"),
    "reboot": ("minova.virt.fake", "FakeDriver", "reboot", "before"),
    "destroy": ("minova.virt.fake", "FakeDriver", "destroy", "before"),
    "clear": ("minova.virt.fake", "FakeDriver", "clear", "before"),
    "upload": ("minova.clients.image", "ImageClient", "upload", "before"),
    "uploaded": ("minova.clients.image", "ImageClient", "upload", "after"),
    "finish": ("minova.conductor.manager", "ConductorManager", "finish", "before"),
    "reply": ("minova.conductor.rpcapi", "ConductorAPI", "finish", "after"),
    "leftovers": ("minova.virt.fake", "FakeDriver", "leftovers", "before"),
}


class FaultyCloud(Cloud):
    """A `Cloud` whose programs have gates; also a base beside `full.FullCloud`."""

    def command(self, program: str) -> list[str]:
        real = super().command(program)
        return [sys.executable, "-m", "tests.faults", *real]

    def environment(self) -> dict[str, str]:
        top = str(Path(__file__).parent.parent)
        return super().environment() | {FOLDER: str(self.gates.folder), "PYTHONPATH": top}

    @property
    def gates(self) -> "Gates":
        return Gates(self.folder / "gates")

    def guests(self, host: str = "host-1") -> set[str]:
        """The fake driver's guests and half-made guests on a host."""
        folder = self.folder / "gates" / "guests" / host
        return {path.name for path in folder.iterdir()} if folder.exists() else set()


@dataclass
class Gates:
    """The test's side."""

    folder: Path

    def fail(self, point: str, message: str, *, host: str = "", once: bool = False) -> None:
        """The step fails from now on, on `host` only or everywhere; or the next time only."""
        assert point in POINTS
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{host}{point}").write_text(("once:" if once else "") + message)

    @contextlib.contextmanager
    def hold(self, point: str) -> Iterator[Callable[[], None]]:
        """In the block the step waits at its gate; the call yielded waits for it to get there."""
        assert point in POINTS
        self.folder.mkdir(exist_ok=True)
        gate = self.folder / point
        os.mkfifo(gate)
        writers: list[int] = []
        try:
            yield lambda: writers.append(_opened(gate, DEADLINE))
        finally:
            # Whoever waits before the pipe is opened would wait for ever: so first nobody new.
            released = gate.with_name(f"{point}.released")
            gate.rename(released)
            for writer in writers or [_opened(released, 0)]:
                if writer is not None:
                    os.close(writer)
            released.unlink()

    def guests_are_deaf(self) -> None:
        """From now on no guest of the fake driver hears its power button."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / DEAF).touch()

    def clear(self) -> None:
        """Nothing fails any more."""
        for path in self.folder.glob("*"):
            if path.is_file():
                path.unlink()


def _opened(gate: Path, seconds: float) -> Any:
    """The pipe's end to write to, once somebody reads; None if nobody does and it need not be."""
    end = time.monotonic() + seconds
    while True:
        try:
            return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        if not seconds:
            return None
        assert time.monotonic() < end, f"nobody came to the gate {gate.name}"
        time.sleep(0.01)


class Books:
    """What a cloud's databases say is held by servers."""

    def __init__(self, cloud: Cloud) -> None:
        self._engines = {
            group: sa.create_engine(cloud.databases[group])
            for group in ("database", "network", "volume")
        }

    def close(self) -> None:
        for engine in self._engines.values():
            engine.dispose()

    def ask(self, group: str, query: str, **values: Any) -> list[tuple[Any, ...]]:
        with self._engines[group].connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query), values)]

    def held_by(self, server_id: str) -> dict[str, list[Any]]:
        """What stands in the books for a server: empty for one that failed or is gone."""
        found = {
            "work": self.ask(
                "database", "SELECT action, stage FROM work WHERE instance_uuid = :id", id=server_id
            ),
            "claims": self.ask(
                "database", "SELECT host FROM allocations WHERE instance_uuid = :id", id=server_id
            ),
            "ports": self.ask(
                "network", "SELECT id, host FROM ports WHERE device_id = :id", id=server_id
            ),
            "attachments": self.ask(
                "volume", "SELECT id, status FROM attachments WHERE server_id = :id", id=server_id
            ),
        }
        return {name: rows for name, rows in found.items() if rows}

    def miscounted(self) -> list[tuple[Any, ...]]:
        """Hosts whose counters are not the sum of their claims."""
        claims = {
            host: sums
            for host, *sums in self.ask(
                "database",
                "SELECT host, COUNT(*), SUM(vcpus), SUM(memory_mb), SUM(disk_gb) "
                "FROM allocations GROUP BY host",
            )
        }
        nodes = self.ask(
            "database",
            "SELECT host, running_vms, vcpus_used, memory_mb_used, disk_gb_used FROM compute_nodes",
        )
        return [
            (host, counted, claims.get(host))
            for host, *counted in nodes
            if [int(n) for n in claims.get(host, (0, 0, 0, 0))] != counted
        ]


def _gated(folder: Path, point: str, when: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def gate() -> None:
        from oslo_config import cfg

        for path in (folder / point, folder / f"{cfg.CONF.host}{point}"):
            with contextlib.suppress(FileNotFoundError):
                text = path.read_text()
                if text.startswith("once:"):
                    path.unlink()
                if text:
                    raise errors.Unavailable(text.removeprefix("once:"))

    def before(*args: Any, **kwargs: Any) -> Any:
        gate()
        return method(*args, **kwargs)

    def after(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        gate()
        return result

    return before if when == "before" else after


def _count_guests(folder: Path) -> None:
    """Show the fake driver's guests as files; those of a process that died are gone."""
    from oslo_config import cfg

    from minova.virt import fake

    make, forget, begin = fake.FakeDriver._guest, fake.FakeDriver._forget, fake.FakeDriver.start

    def here() -> Path:
        path = folder / "guests" / cfg.CONF.host
        path.mkdir(parents=True, exist_ok=True)
        return path

    def started(self: Any, on_event: Any) -> None:
        for path in here().iterdir():
            path.unlink()
        begin(self, on_event)

    def made(self: Any, instance: Any) -> Any:
        (here() / instance.uuid).touch()
        return make(self, instance)

    def forgotten(self: Any, uuid: str) -> None:
        forget(self, uuid)
        (here() / uuid).unlink(missing_ok=True)

    fake.FakeDriver._guest, fake.FakeDriver._forget = made, forgotten  # type: ignore[method-assign]
    fake.FakeDriver.start = started  # type: ignore[method-assign]


def _deafen(folder: Path) -> None:
    """Let `Gates.guests_are_deaf` say which guests hear their power button."""
    from minova.virt import fake_host

    def is_deaf(self: Any, uuid: str) -> bool:
        return (folder / DEAF).exists()

    fake_host.FakeHost.is_deaf = is_deaf  # type: ignore[method-assign]


# What a program runs besides its own package.
_MORE = {
    "minova-compute": ("minova.virt", "minova.conductor.rpcapi"),
    "minova-api": ("minova.clients.volume",),
}


def _runs(program: str, module: str) -> bool:
    if program == "minova":
        return not module.startswith("minova.virt.libvirt")
    package = start.PROGRAMS[program][1].rpartition(".")[0]
    return module.startswith((f"{package}.", *_MORE.get(program, ())))


def _run(command: list[str]) -> None:
    """`/path/minova-compute --config-file …` with gates."""
    import importlib

    folder, program = Path(os.environ[FOLDER]), Path(command[0]).name
    for point, (module, name, method, when) in POINTS.items():
        if _runs(program, module):
            owner = getattr(importlib.import_module(module), name)
            setattr(owner, method, _gated(folder, point, when, getattr(owner, method)))
    if _runs(program, "minova.virt.fake"):
        _count_guests(folder)
        _deafen(folder)
    sys.argv = [program, *command[1:]]
    if program == "minova":
        minova_main()
    else:
        start.serve(program)


if __name__ == "__main__":
    _run(sys.argv[1:])
