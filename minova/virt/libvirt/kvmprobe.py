"""Prove that this host's KVM runs guests, before the compute service promises any.

/dev/kvm being there proves little: some hosts run a boot sector under KVM and fail on an
ordinary kernel. So the probe boots one, with the CPU that guests will get, and waits for a line
from its user space.

Standard library only, and a file that runs by itself: it is asked before anything is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import selectors
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

OK_LINE = b"MINOVA-KVM-PROBE-OK"
DEVICE = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MEMORY_MIB = 128
DUMP_SECONDS = 0.2

# What QEMU writes when KVM gives up. After an internal error it stays, its guest paused for good.
FATAL_OUTPUT = re.compile(
    rb"KVM internal error|emulation failure|KVM: entry failed|kvm run failed|"
    rb"failed to set MSR|Could not access KVM|failed to initialize kvm",
)
NOISE = re.compile(r"warning: |terminating on signal|^extra data|^[A-Z0-9]+ ?=")
REASON_LENGTH = 200


@dataclass(frozen=True)
class Verdict:
    """Whether KVM can be used, why (not), and how long it took to tell."""

    usable: bool
    reason: str
    seconds: float


def probe(
    kernel: Path, initrd: Path, *, deadline: float = 20.0, qemu: str = "qemu-system-x86_64"
) -> Verdict:
    """Boot `kernel` with the probe `initrd` under KVM and judge within `deadline` seconds.

    Never raises for what the host lacks, and never leaves a process behind.
    """
    begin = time.monotonic()
    usable, reason = _judge(kernel, initrd, deadline, qemu)
    return Verdict(usable, reason, round(time.monotonic() - begin, 2))


def _judge(kernel: Path, initrd: Path, deadline: float, qemu: str) -> tuple[bool, str]:
    obstacle = _device_obstacle() or _file_obstacle(kernel, initrd)
    if obstacle:
        return False, obstacle
    command = [
        *(qemu, "-accel", "kvm", "-cpu", "host", "-machine", "pc", "-m", str(MEMORY_MIB)),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"),
        *("-kernel", str(kernel), "-initrd", str(initrd)),
        *("-append", "console=ttyS0 quiet panic=-1"),
    ]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        return False, f"cannot run {qemu}: {error.strerror}; install QEMU or name another binary"
    with process:
        try:
            return _watch(process, deadline)
        finally:
            process.kill()


def _device_obstacle() -> str | None:
    try:
        os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return f"no {DEVICE}: load kvm_intel or kvm_amd, or enable virtualization in the firmware"
    except PermissionError:
        return f"cannot open {DEVICE}: permission denied; join the group that owns it, often kvm"
    except OSError as error:
        return f"cannot open {DEVICE}: {error.strerror}"
    return None


def _file_obstacle(kernel: Path, initrd: Path) -> str | None:
    for path in (kernel, initrd):
        if not path.is_file():
            return f"no {path} to boot: run tools/build-guest-image"
    return None


def _watch(process: subprocess.Popen[bytes], deadline: float) -> tuple[bool, str]:
    """Read both pipes until the guest speaks, QEMU complains or ends, or time is up."""
    assert process.stdout and process.stderr
    end = time.monotonic() + deadline
    heard: dict[IO[bytes], bytes] = {process.stdout: b"", process.stderr: b""}
    with selectors.DefaultSelector() as selector:
        for pipe in heard:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            remaining = end - time.monotonic()
            if remaining <= 0:
                return False, _timeout_reason(heard[process.stderr], deadline)
            for key, _ in selector.select(remaining):
                pipe = key.fileobj  # type: ignore[assignment]
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(pipe)
                heard[pipe] += chunk
            if OK_LINE in heard[process.stdout]:
                return True, "an ordinary kernel booted under KVM"
            if FATAL_OUTPUT.search(heard[process.stderr]):
                # What it dumps beside the error tells the kind, and comes in the same breath.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(DUMP_SECONDS)
                heard[process.stderr] += _pending(process.stderr)
                return False, f"KVM failed: {_shorten(heard[process.stderr])}"
    status = process.wait()
    said = _shorten(heard[process.stderr]) or "no message"
    return False, f"QEMU ended with status {status} and no sign of the guest: {said}"


def _pending(pipe: IO[bytes]) -> bytes:
    os.set_blocking(pipe.fileno(), False)
    try:
        return os.read(pipe.fileno(), 65536)
    except BlockingIOError:
        return b""


def _timeout_reason(complaint: bytes, deadline: float) -> str:
    reason = f"no line from the guest within {deadline:g} s: KVM hangs or crawls"
    said = _shorten(complaint)
    return f"{reason}; QEMU said: {said}" if said else reason


def _shorten(complaint: bytes) -> str:
    """Keep what tells the cause: no warnings, no register dump, one line."""
    lines = [line.strip() for line in complaint.decode(errors="replace").splitlines()]
    telling = [line for line in lines if line and not NOISE.search(line)]
    return "; ".join(telling)[:REASON_LENGTH]


def fingerprint(qemu: str = "qemu-system-x86_64") -> dict[str, str]:
    """Return what a verdict depends on: when any of it changes, the verdict is stale."""
    try:
        answer = subprocess.run([qemu, "--version"], capture_output=True, text=True, timeout=10)
        version = answer.stdout.partition("\n")[0]
    except (OSError, subprocess.TimeoutExpired):
        version = ""
    return {
        "kernel": platform.release(),
        "qemu": version,
        "boot_id": BOOT_ID.read_text().strip(),
    }


def save_verdict(path: Path, verdict: Verdict, *, qemu: str = "qemu-system-x86_64") -> None:
    """Write `verdict` and the host's fingerprint as JSON; a reader sees the old file or the new."""
    document = {"verdict": asdict(verdict), "host": fingerprint(qemu)}
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(file.fileno(), 0o644)
            json.dump(document, file, indent=2)
            file.write("\n")
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


def load_verdict(path: Path, *, qemu: str = "qemu-system-x86_64") -> Verdict | None:
    """Return the saved verdict, or None if it is absent, unreadable or of another boot."""
    try:
        document = json.loads(path.read_text())
        if document["host"] != fingerprint(qemu):
            return None
        return Verdict(**document["verdict"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def main(arguments: list[str] | None = None) -> int:
    """Print the verdict; the exit status is 0 when KVM is usable and 1 when not."""
    parser = argparse.ArgumentParser(description="Prove that KVM on this host runs guests.")
    parser.add_argument("--kernel", type=Path, required=True, help="vmlinuz to boot")
    parser.add_argument("--initrd", type=Path, required=True, help="probe-initrd to boot it with")
    parser.add_argument("--deadline", type=float, default=20.0, help="seconds to wait (20)")
    parser.add_argument("--qemu", default="qemu-system-x86_64", help="QEMU binary")
    parser.add_argument(
        "--cache", type=Path, help="trust a verdict saved here for this boot, or save one"
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    options = parser.parse_args(arguments)

    verdict = load_verdict(options.cache, qemu=options.qemu) if options.cache else None
    if verdict is None:
        verdict = probe(
            options.kernel, options.initrd, deadline=options.deadline, qemu=options.qemu
        )
        if options.cache:
            save_verdict(options.cache, verdict, qemu=options.qemu)
    if options.json:
        print(json.dumps(asdict(verdict)))
    else:
        answer = "usable" if verdict.usable else "not usable"
        print(f"KVM is {answer}: {verdict.reason} ({verdict.seconds:.1f} s)")
    return 0 if verdict.usable else 1


if __name__ == "__main__":
    sys.exit(main())
