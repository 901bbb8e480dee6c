"""Runs unmodified client commands one after the other in one process, which saves its start.

stdin: on each line a JSON list, a command's words (`openstack` or `nova` and
its arguments); stdout: for each a line [exit code, output, errors].
"""

import contextlib
import io
import json
import logging
import sys
from collections.abc import Callable

from novaclient.shell import OpenStackComputeShell
from openstackclient import shell


def nova(arguments: list[str]) -> int:
    """What novaclient's own `main` does, less the exit."""
    try:
        OpenStackComputeShell().main(arguments)
    except Exception as error:
        print(f"ERROR ({type(error).__name__}): {error}", file=sys.stderr)
        return 1
    return 0


PROGRAMS: dict[str, Callable[[list[str]], int]] = {"openstack": shell.main, "nova": nova}


def run(words: list[str]) -> list[object]:
    """One command's exit code, output and errors."""
    out, err = io.StringIO(), io.StringIO()
    # Each run of a client adds its handlers, which would write into the last run's streams.
    logging.getLogger().handlers.clear()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = PROGRAMS[words[0]](words[1:])
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
    return [code, out.getvalue(), err.getvalue()]


if __name__ == "__main__":
    answers = sys.stdout
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), file=answers, flush=True)
