"""minova: a small, real OpenStack compute cloud for a KVM lab host.

The first statement picks oslo.service's threading backend. It has to stand
before anything imports oslo.messaging, which would otherwise settle on
eventlet and lock that choice in for the process. oslo.service still
installs eventlet, and futurist would import it when it is there: 8 MiB and a
second idea of what a thread is. The empty entry keeps it out.
"""

import sys as _sys

_sys.modules.setdefault("eventlet", None)  # type: ignore[arg-type]

from oslo_service import backend as _backend  # noqa: E402

_backend.init_backend(_backend.BackendType.THREADING)

from minova.version import VERSION as __version__  # noqa: E402, F401
