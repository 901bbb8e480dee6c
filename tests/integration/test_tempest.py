"""Tempest's lists, as tools/tempest/run.sh runs them: tier 0 on real guests, tier 1 on fake ones.

What failed is in the assertion; the rest in pytest's temporary folder.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import BinaryIO
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
    with (tmp_path / "output").open("wb") as output:
        status = in_time(command, output, seconds)
    said = (tmp_path / "output").read_text()
    assert (tmp_path / "junit.xml").exists(), said[-6000:]
    print(said.strip().rpartition("\n")[2])
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    failed = [
        f"{case.get('classname')}.{case.get('name')}: {case.find('failure').get('message')}"
        for case in suite.iter("testcase")
        if case.find("failure") is not None
    ]
    assert bool(failed) == bool(status), said[-6000:]
    return failed


def in_time(command: list[str], output: BinaryIO, seconds: float) -> int:
    """The command's status; when it is late, it is interrupted, so that its cloud goes."""
    process = subprocess.Popen(
        command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return process.wait(seconds)
    except BaseException:
        for sign in (signal.SIGINT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, sign)
                process.wait(60)
        raise


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
