"""Kernel settings the agent needs, with what they were before.

The former value of each setting is written down before the first change, so
that the cleanup can give the host back as it was, also after many restarts.
"""

import json
import logging
from pathlib import Path

from minova.common import errors

LOG = logging.getLogger(__name__)
_ROOT = Path("/proc/sys")


class Sysctls:
    """Settings by path (`net/ipv4/ip_forward`); `record` is the file of former values."""

    def __init__(self, record: Path) -> None:
        self._record = record

    def ensure(self, name: str, value: str) -> None:
        """Set `name`, remembering what it was. Raises errors.Unavailable when it cannot be."""
        path = _ROOT / name
        try:
            former = path.read_text().strip()
            if former == value:
                return
            self._remember(name, former)
            path.write_text(value)
        except OSError as error:
            raise errors.Unavailable(
                f"The kernel setting {name.replace('/', '.')} cannot be set to {value}: "
                f"{error.strerror}."
            ) from error

    def restore(self) -> list[str]:
        """Put the former values back; returns what could not be. Idempotent."""
        failed = []
        for name, former in self._former().items():
            try:
                (_ROOT / name).write_text(former)
            except OSError as error:
                failed.append(f"sysctl {name.replace('/', '.')}={former}: {error.strerror}")
        if not failed:
            self._record.unlink(missing_ok=True)
        return failed

    def _remember(self, name: str, former: str) -> None:
        known = self._former()
        if name not in known:
            known[name] = former
            self._record.write_text(json.dumps(known))

    def _former(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._record.read_text()))
        except FileNotFoundError:
            return {}
        except ValueError:
            LOG.warning("%s is not readable; former kernel settings are lost", self._record)
            return {}


def write(name: str, value: str) -> None:
    """Set one that needs no remembering, in the calling thread's network namespace.

    Settings of a family the kernel lacks are passed over.
    """
    path = _ROOT / name
    if path.exists():
        path.write_text(value)


def present(name: str) -> bool:
    return (_ROOT / name).exists()
