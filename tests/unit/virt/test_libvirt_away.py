"""A host whose libvirt is away tells of it, once."""

from pathlib import Path

import pytest

from minova.common import errors, notices
from minova.common.notices import Notice
from minova.virt.libvirt import connection
from minova.virt.libvirt.watch import Watch
from tests.configuration import configure


def test_a_libvirt_that_is_away_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    sent: list[Notice] = []
    monkeypatch.setattr(notices, "on", lambda: True)
    monkeypatch.setattr(notices, "send", sent.append)
    monkeypatch.setattr(connection, "PATIENCE", 0.5)
    uri = f"qemu+unix:///system?socket={tmp_path}/absent"
    away = connection.Connection(uri, Watch(lambda uuid: 0))
    with pytest.raises(errors.Unavailable, match="cannot be reached"):
        away.open()
    (told,) = sent
    assert (told.event_type, told.failed) == ("libvirt.connect.error", True)
    assert told.who.startswith("nova-compute:")
    assert told.payload["nova_object.name"] == "LibvirtErrorPayload"
    reason = told.payload["nova_object.data"]["reason"]["nova_object.data"]
    assert "absent" in reason["exception_message"]
