"""What a guest gets of its network on a real kernel: an address, names, metadata."""

import hashlib
import hmac
import os
import pwd
import signal
import socket
import uuid
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyroute2")
pytest.importorskip("nftables")

from tests.integration import netlab
from tests.integration.agent_rig import ALL_OUT, CLOSED, OPEN, SECRET, WEB, World, add_route, ask

pytest_plugins = ["tests.integration.agent_rig"]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]


class TestDhcp:
    def test_a_guest_gets_its_own_address_and_options(self, world: World, tmp_path: Path) -> None:
        network = netlab.network()
        world.group(WEB, ALL_OUT)
        first = world.ensure(network, netlab.port(network, 10, security_groups=[WEB]))
        second = world.ensure(network, netlab.port(network, 11, security_groups=[WEB]))
        for wiring, last in ((second, 11), (first, 10)):
            lease = netlab.udhcpc(world.plug(network, wiring).boot(configured=False), tmp_path)
            assert lease["ip"] == f"10.77.0.{last}"
            assert lease["router"] == "10.77.0.1"
            assert lease["dns"] == "10.77.0.2"
            assert lease["mtu"] == "1450"
            assert lease["domain"] == "novalocal"
            assert lease["lease"] == "600"
            assert lease["staticroutes"].split() == [
                *("169.254.169.254/32", "10.77.0.2"),
                *("0.0.0.0/0", "10.77.0.1"),
            ]

    def test_a_guest_nobody_knows_gets_no_address(self, world: World, tmp_path: Path) -> None:
        network = netlab.network()
        world.guest(network, 10, [OPEN])
        stranger = netlab.port(network, 66, port_security_enabled=False, fixed_ips=[])
        guest = world.plug(network, world.ensure(network, stranger)).boot(configured=False)
        assert netlab.udhcpc(guest, tmp_path) == {}

    def test_the_next_owner_of_an_address_gets_it_at_once(
        self, world: World, tmp_path: Path
    ) -> None:
        network = netlab.network()
        world.ensure(network, netlab.port(network, 99, security_groups=[OPEN]))
        for mac in ("fa:16:3e:00:00:0a", "fa:16:3e:00:00:0b", "fa:16:3e:00:00:0c"):
            wiring = netlab.port(network, 10, mac_address=mac, security_groups=[OPEN])
            guest = world.plug(network, world.ensure(network, wiring)).boot(configured=False)
            assert netlab.udhcpc(guest, tmp_path)["ip"] == "10.77.0.10"
            guest.unplug()
            world.driver.remove_port(wiring.id)

    def test_dnsmasq_is_started_again_when_it_dies(self, world: World, tmp_path: Path) -> None:
        network = netlab.network()
        guest = world.plug(
            network, world.ensure(network, netlab.port(network, 10, security_groups=[OPEN]))
        ).boot(configured=False)
        pid_file = world.work_path / "dhcp" / network.id / "pid"
        former = int(pid_file.read_text())
        os.kill(former, signal.SIGKILL)
        netlab.wait_for(
            "a new dnsmasq",
            lambda: pid_file.exists() and pid_file.read_text().strip() not in ("", str(former)),
        )
        assert netlab.udhcpc(guest, tmp_path)["ip"] == "10.77.0.10"

    def test_dnsmasq_is_not_root(self, world: World) -> None:
        network = netlab.network()
        world.ensure(network, netlab.port(network, 10))
        pid = (world.work_path / "dhcp" / network.id / "pid").read_text().strip()
        status = Path(f"/proc/{pid}/status").read_text()
        assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}" in status

    def test_many_hups_do_not_hurt_it(self, world: World, tmp_path: Path) -> None:
        network = netlab.network()
        first = world.ensure(network, netlab.port(network, 10, security_groups=[OPEN]))
        guest = world.plug(network, first).boot(configured=False)
        assert netlab.udhcpc(guest, tmp_path)["ip"] == "10.77.0.10"
        pid = (world.work_path / "dhcp" / network.id / "pid").read_text()
        for last in range(20, 40):
            world.ensure(network, netlab.port(network, last, security_groups=[OPEN]))
        assert netlab.udhcpc(guest, tmp_path)["ip"] == "10.77.0.10"
        assert (world.work_path / "dhcp" / network.id / "pid").read_text() == pid


class TestMetadata:
    def test_a_guest_is_known_by_its_address(self, world: World, upstream: Any) -> None:
        network = netlab.network()
        guest = world.guest(network, 10, [CLOSED])
        guest.do(add_route, "169.254.169.254/32", "10.77.0.2")
        assert guest.do(ask, "/openstack/latest/meta_data.json") == (
            200,
            "GET /openstack/latest/meta_data.json",
        )
        _, _, headers, _ = upstream.asked[-1]
        instance = guest.wiring.device_id
        assert headers["X-Instance-ID"] == instance
        assert headers["X-Tenant-ID"] == guest.wiring.project_id
        assert headers["X-Forwarded-For"] == guest.ip
        expected = hmac.new(SECRET.encode(), instance.encode(), hashlib.sha256).hexdigest()
        assert headers["X-Instance-ID-Signature"] == expected
        status, _ = guest.do(ask, "/openstack/2013-10-17/password", "POST", b"secret")
        assert (status, upstream.asked[-1][3]) == (200, b"secret")
        status, _ = guest.do(ask, "/x", "POST", b"x" * 100_000)
        assert status == 413

    def test_cve_2013_6419_forged_identity_headers_are_dropped(
        self, world: World, upstream: Any
    ) -> None:
        network = netlab.network()
        guest = world.guest(network, 10, [CLOSED])
        guest.do(add_route, "169.254.169.254/32", "10.77.0.2")
        forged = {
            "X-Instance-ID": str(uuid.uuid4()),
            "X-Tenant-ID": "b" * 32,
            "X-Instance-ID-Signature": "0" * 64,
            "X-Forwarded-For": "10.77.0.99",
            "X-Project-Id": "b" * 32,
        }
        request = "GET / HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in forged.items())
        guest.do(_raw_http, request.encode() + b"\r\n")
        headers = upstream.asked[-1][2]
        assert headers["X-Instance-ID"] == guest.wiring.device_id
        assert headers["X-Tenant-ID"] == guest.wiring.project_id
        assert headers["X-Forwarded-For"] == guest.ip
        assert "X-Project-Id" not in headers
        assert not set(forged.values()) & set(headers.values())

    def test_an_address_without_instance_is_answered_404(self, world: World) -> None:
        network = netlab.network()
        guest = world.guest(network, 10, [CLOSED], device_id="")
        guest.do(add_route, "169.254.169.254/32", "10.77.0.2")
        assert guest.do(ask, "/")[0] == 404

    def test_a_silent_metadata_api_is_answered_503(self, world: World, upstream: Any) -> None:
        network = netlab.network()
        guest = world.guest(network, 10, [CLOSED])
        guest.do(add_route, "169.254.169.254/32", "10.77.0.2")
        upstream.shutdown()
        upstream.server_close()
        assert guest.do(ask, "/")[0] == 503

    def test_one_guest_cannot_keep_the_others_waiting(self, world: World) -> None:
        network = netlab.network()
        greedy, modest = world.guest(network, 10, [CLOSED]), world.guest(network, 11, [CLOSED])
        for guest in (greedy, modest):
            guest.do(add_route, "169.254.169.254/32", "10.77.0.2")
        idle = [greedy.do(socket.create_connection, ("169.254.169.254", 80), 5) for _ in range(300)]
        assert modest.do(ask, "/")[0] == 200
        for sock in idle:
            sock.close()


def _raw_http(request: bytes) -> bytes:
    with socket.create_connection(("169.254.169.254", 80), 5) as sock:
        sock.sendall(request)
        return b"".join(iter(lambda: sock.recv(4096), b""))
