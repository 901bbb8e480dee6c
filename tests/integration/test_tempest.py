"""Tempest's lists, as tools/tempest/run.sh runs them: tier 0 on real guests, tier 1 on fake ones.

What failed is in the assertion; the rest in build/tempest/<list>-<driver>/.
"""

import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.integration.private_host import NEEDS, TOP

pytestmark = pytest.mark.slow
# Tests that name no version still speak 2.1: no others are left out.
NEWEST = ("--max-microversion", "latest")
RUN = TOP / "tools" / "tempest" / "run.sh"
PROGRAMS = (*NEEDS, "libvirtd", "qemu-system-x86_64", "dnsmasq", "nft", "genisoimage")


def failures(tmp_path: Path, *arguments: str, seconds: float) -> list[str]:
    """Run a list to its end; what failed, each with its last line."""
    command = [str(RUN), "--out", str(tmp_path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    assert (tmp_path / "junit.xml").exists(), done.stdout[-4000:] + done.stderr[-4000:]
    print(done.stdout.strip().rpartition("\n")[2])
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    failed = [
        f"{case.get('classname')}.{case.get('name')}: {case.find('failure').get('message')}"
        for case in suite.iter("testcase")
        if case.find("failure") is not None
    ]
    assert bool(failed) == bool(done.returncode), done.stdout[-4000:]
    return failed


@pytest.mark.timeout(1200)
def test_tier_0_passes_on_real_guests(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a private host is for root")
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    if missing := [name for name in PROGRAMS if shutil.which(name, path=path) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if not (TOP / "build" / "guest" / "minova-guest.qcow2").exists():
        pytest.skip("no test guest: run tools/build-guest-image")
    assert failures(tmp_path, "--driver", "libvirt", "tier0", *NEWEST, seconds=1100) == []


@pytest.mark.timeout(900)
def test_tier_1_passes_on_fake_guests(tmp_path: Path) -> None:
    arguments = ["--driver", "fake", "--concurrency", "4", "tier1"]
    assert failures(tmp_path, *arguments, *NEWEST, seconds=800) == []
