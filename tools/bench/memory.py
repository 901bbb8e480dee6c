"""Resident memory of everything minova runs, idle: PSS by process.

    .venv/bin/python tools/bench/memory.py [--json]          # of the running lab
    .venv/bin/python tools/bench/memory.py --profile embedded # of a cloud it starts

PSS counts a page shared by n processes as 1/n, so the sum is what the
machine really pays. QEMU guests, broker and database server are not minova
and are shown apart.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import figures

SETTLE_SECONDS = 20
# What a process is counted as, by a word of its command line; the first match counts.
KINDS = (
    ("qemu-system", "guests"),
    ("libvirtd", "libvirt"),
    ("virtlogd", "libvirt"),
    ("beam.smp", "broker"),
    ("mariadbd", "database"),
    ("qemu-storage-daemon", "minova"),
    ("dnsmasq", "minova"),
    ("bin/minova", "minova"),
    ("supervisord", "minova"),
)


def processes(only: set[int] | None = None) -> dict[str, dict[str, float]]:
    """kind -> program (with its pid) -> PSS in MB; `only` these pids, if given."""
    found: dict[str, dict[str, float]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            pss = pss_of(folder)
        except OSError:
            continue
        command = " ".join(words)
        kind = next((kind for word, kind in KINDS if word in command), None)
        if (
            kind is None
            or "bench/" in command
            or (only is not None and int(folder.name) not in only)
        ):
            continue
        name = next((Path(w).name for w in words if "minova" in Path(w).name), Path(words[0]).name)
        found.setdefault(kind, {})[f"{name} ({folder.name})"] = pss
    return found


def pss_of(folder: Path) -> float:
    for line in (folder / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=("embedded", "full"), help="start a cloud for it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = processes() if options.profile is None else of_own_cloud(options.profile)
    result: dict[str, object] = {}
    for kind, programs in sorted(found.items()):
        result[f"{kind}_pss_mb"] = round(sum(programs.values()), 1)
        for name, pss in sorted(programs.items()):
            result[f"  {name}"] = round(pss, 1)
    figures.show(result, options.json)


def of_own_cloud(profile: str) -> dict[str, dict[str, float]]:
    from tests.cloud import Cloud
    from tests.full import full_cloud

    with tempfile.TemporaryDirectory(prefix="minova-memory.") as folder:
        make = full_cloud if profile == "full" else Cloud
        cloud = make(Path(folder)).start()
        try:
            time.sleep(SETTLE_SECONDS)
            return processes({process.pid for process in cloud.processes.values()})
        finally:
            cloud.stop()


if __name__ == "__main__":
    main()
