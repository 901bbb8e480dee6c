"""The KVM probe against a QEMU of shell script that ends in each of the known ways."""

import json
import subprocess
import sys

import pytest

from minova.virt.libvirt import kvmprobe
from minova.virt.libvirt.kvmprobe import Verdict, load_verdict, probe, save_verdict

INTERNAL_ERROR = """\
qemu-system-x86_64: warning: host doesn't support requested feature: CPUID.01H:ECX.pni [bit 0]
KVM internal error. Suberror: 1
extra data[0]: 0x0000000000000001
emulation failure
EAX=00000000 EBX=0000001a ECX=00000007 EDX=aba5f30b
CR0=00000011 CR2=00000000 CR3=00000000 CR4=00000000
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with a /dev/kvm that opens, a kernel and an initrd."""
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(kvmprobe, "DEVICE", device)
    (tmp_path / "vmlinuz").touch()
    (tmp_path / "probe-initrd").touch()
    return tmp_path


@pytest.fixture
def run_probe(host):
    def run(script, **options):
        qemu = host / "qemu"
        qemu.write_text(f"#!/bin/sh\necho $$ >{host}/pid\n{script}\n")
        qemu.chmod(0o755)
        return probe(host / "vmlinuz", host / "probe-initrd", qemu=str(qemu), **options)

    return run


def is_running(pid):
    return subprocess.run(["kill", "-0", pid], capture_output=True).returncode == 0


def test_a_line_from_the_guest_means_usable(run_probe):
    verdict = run_probe("echo MINOVA-KVM-PROBE-OK; exec sleep 60")
    assert verdict.usable
    assert verdict.seconds < 10


def test_the_line_counts_even_when_qemu_has_ended(run_probe):
    assert run_probe("printf 'MINOVA-KVM-'; printf 'PROBE-OK\\r\\n'").usable


def test_the_guest_runs_under_kvm_with_the_cpu_that_guests_get(run_probe, host):
    run_probe(f'echo "$@" >{host}/arguments')
    arguments = (host / "arguments").read_text()
    assert "-accel kvm -cpu host" in arguments
    assert f"-initrd {host}/probe-initrd" in arguments


def test_an_internal_error_ends_the_wait_at_once(run_probe):
    # QEMU stays, its guest paused for good.
    verdict = run_probe(f"cat >&2 <<'END'\n{INTERNAL_ERROR}END\nexec sleep 60", deadline=30)
    assert not verdict.usable
    assert verdict.reason == "KVM failed: KVM internal error. Suberror: 1; emulation failure"
    assert verdict.seconds < 10


def test_qemu_that_ends_leaves_its_last_words(run_probe):
    verdict = run_probe("echo 'qemu: no such machine' >&2; exit 3")
    assert verdict.reason == (
        "QEMU ended with status 3 and no sign of the guest: qemu: no such machine"
    )


def test_silence_is_cut_off_at_the_deadline(run_probe):
    verdict = run_probe("echo booting; exec sleep 60", deadline=0.3)
    assert not verdict.usable
    assert "within 0.3 s" in verdict.reason


@pytest.mark.parametrize("ending", ["echo MINOVA-KVM-PROBE-OK", "echo KVM internal error >&2", ":"])
def test_no_process_is_left_behind(run_probe, host, ending):
    run_probe(f"{ending}; exec sleep 60", deadline=0.5)
    assert not is_running((host / "pid").read_text().strip())


def test_a_host_without_the_device(host, run_probe):
    kvmprobe.DEVICE.unlink()
    assert run_probe("exit 0").reason.startswith(f"no {kvmprobe.DEVICE}: load kvm_intel")
    assert not (host / "pid").exists()


def test_a_device_that_may_not_be_opened(run_probe, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(kvmprobe.os, "open", refuse)
    verdict = probe(kvmprobe.DEVICE, kvmprobe.DEVICE)
    assert "permission denied; join the group" in verdict.reason


def test_a_missing_kernel_names_the_tool_that_makes_it(host):
    verdict = probe(host / "nothing", host / "probe-initrd")
    assert verdict.reason == f"no {host}/nothing to boot: run tools/build-guest-image"


def test_a_missing_qemu(host):
    verdict = probe(host / "vmlinuz", host / "probe-initrd", qemu=str(host / "none"))
    assert verdict.reason.startswith(f"cannot run {host}/none: No such file")


def test_long_complaints_are_shortened(run_probe):
    verdict = run_probe("head -c 5000 /dev/zero | tr '\\0' x >&2; exit 1")
    assert len(verdict.reason) < 300


def test_a_saved_verdict_comes_back(tmp_path):
    verdict = Verdict(usable=False, reason="no luck", seconds=1.5)
    save_verdict(tmp_path / "state" / "kvm.json", verdict)
    assert load_verdict(tmp_path / "state" / "kvm.json") == verdict
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["kvm.json"]


@pytest.mark.parametrize("what", ["kernel", "qemu", "boot_id"])
def test_a_verdict_of_another_host_is_not_trusted(tmp_path, what):
    path = tmp_path / "kvm.json"
    save_verdict(path, Verdict(usable=True, reason="", seconds=1.0))
    document = json.loads(path.read_text())
    document["host"][what] = "other"
    path.write_text(json.dumps(document))
    assert load_verdict(path) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"host": 1'])
def test_a_broken_verdict_file_is_no_verdict(tmp_path, text):
    (tmp_path / "kvm.json").write_text(text)
    assert load_verdict(tmp_path / "kvm.json") is None


def test_the_plain_file_runs_without_anything_installed():
    result = subprocess.run(
        [sys.executable, "-I", "-S", kvmprobe.__file__, "--json", "--kernel=none", "--initrd=none"],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert json.loads(result.stdout)["usable"] is False


def test_the_command_reuses_a_cached_verdict(host, capsys):
    save_verdict(host / "kvm.json", Verdict(usable=True, reason="booted", seconds=1.0))
    options = ["--kernel", "none", "--initrd", "none", "--cache", str(host / "kvm.json")]
    assert kvmprobe.main(options) == 0
    assert capsys.readouterr().out == "KVM is usable: booted (1.0 s)\n"
