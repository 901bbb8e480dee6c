"""One run of Tempest: a cloud, its tempest.conf, the list, the report.

`run.sh` starts it, once Tempest's venv is there. Everything a run leaves is in
`build/tempest/<list>-<driver>[-<version>]/` unless `--out` names a folder.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import clouds

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
BUILD = TOP / "build" / "tempest"
VENV = BUILD / "venv"


def read_list(path: Path) -> list[str]:
    """The names of a list's tests, without tags; `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line.partition("[")[0] for line in lines if line]


ISOLATED = frozenset(read_list(HERE / "lists" / "isolated.txt"))
# Beginnings of names, and why they are left out where no guest boots.
NEED_GUESTS = {
    "needs a guest to log in to": tuple(read_list(HERE / "lists" / "guests.txt")),
    "a fake disk is saved at once": tuple(read_list(HERE / "lists" / "moments.txt")),
}


def main() -> int:
    arguments = parse()
    ids = read_list(arguments.list)
    with clouds.choose(arguments.driver) as cloud:
        name = "-".join(
            filter(None, [arguments.list.stem, cloud.driver, arguments.max_microversion])
        )
        out = (arguments.out or BUILD / name).resolve()
        out.mkdir(parents=True, exist_ok=True)
        print(f"Tempest on {cloud.description}; results in {out}", flush=True)
        configure(cloud, out, arguments.max_microversion)
        left_out = {} if cloud.boots else reasons_to_leave_out(ids)
        isolated = {i for i in ids if cloud.boots and i in ISOLATED}
        write_lines(out / "wanted", ids)
        write_lines(out / "left-out", (f"{i} {reason}" for i, reason in left_out.items()))
        (out / "tempest.log").unlink(missing_ok=True)
        run(cloud, out, [i for i in ids if i not in {*left_out, *isolated}], arguments.concurrency)
        if isolated:
            run(cloud, out, sorted(isolated), 1, "--combine", conf="isolated.conf")
        keep_stream(out)
    report = [str(VENV / "bin" / "python"), str(HERE / "report.py"), str(out)]
    return subprocess.run(report, check=False).returncode


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.sh", description="Run Tempest.")
    parser.add_argument(
        "--driver",
        choices=["libvirt", "fake"],
        help="libvirt: the running lab, or one on a private host; fake: a cloud of its own "
        "that boots nothing. Default: the running lab, else fake",
    )
    parser.add_argument("--concurrency", type=int, default=2, help="tests at a time (default 2)")
    parser.add_argument(
        "--max-microversion",
        metavar="V",
        help="open the tests of compute versions up to V, or `latest`; default: only those of 2.1",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the results")
    parser.add_argument(
        "list",
        nargs="?",
        default="tier0",
        type=list_file,
        metavar="LIST",
        help="tier0 (default), tier1, tier1-companions, or a file of test ids",
    )
    return parser.parse_args()


def list_file(name: str) -> Path:
    """The file of a list, by its name beside us or by its path."""
    for path in (HERE / "lists" / f"{name}.txt", Path(name)):
        if path.is_file():
            return path.resolve()
    raise argparse.ArgumentTypeError(f"no list is called {name}")


def reasons_to_leave_out(ids: list[str]) -> dict[str, str]:
    return {i: reason for i in ids for reason, names in NEED_GUESTS.items() if i.startswith(names)}


def write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def configure(cloud: clouds.Cloud, out: Path, version: str | None) -> None:
    """Write tempest.conf; in the cloud's network, which may not be ours."""
    command = [sys.executable, str(HERE / "configure.py"), str(out), "--driver", cloud.driver]
    command += ["--max-microversion", version] if version else []
    command += ["--guest", str(cloud.guest)] if cloud.guest else []
    subprocess.run(
        [*cloud.prefix, *command],
        check=True,
        env={**os.environ, "OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml)},
    )


def run(
    cloud: clouds.Cloud,
    out: Path,
    ids: list[str],
    concurrency: int,
    *options: str,
    conf: str = "tempest.conf",
) -> None:
    """Run these tests."""
    # By name alone: what stands behind it in brackets differs with the configuration.
    write_lines(out / "include", (f"^{re.escape(i)}(\\[|$)" for i in ids))
    command = [str(VENV / "bin" / "tempest"), "run", "--config-file", conf, *options]
    command += ["--include-list", "include", "--concurrency", str(concurrency)]
    subprocess.run([*cloud.prefix, *command], cwd=out, env=environment(), check=False)


def keep_stream(out: Path) -> None:
    """`out/stream` is what happened, in subunit v2."""
    last = [str(VENV / "bin" / "stestr"), "last", "--subunit"]
    with (out / "stream").open("wb") as stream:
        subprocess.run(last, cwd=out, env=environment(), stdout=stream, check=False)


def environment() -> dict[str, str]:
    """Of Tempest: nothing of a user's own cloud."""
    found = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
    found["PATH"] = f"{VENV / 'bin'}:{found.get('PATH', '')}:/usr/sbin:/sbin"
    return found


if __name__ == "__main__":
    sys.exit(main())
