"""The command-line clients as a user's hands: `openstack` and `nova`, unmodified.

`Clients` keeps one process of them running (`run_clients.py`), because
starting one costs a second and a command a tenth of that. A real
`.venv/bin/openstack` process is `Cloud.client`.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cloud import Cloud

RUNNER = Path(__file__).with_name("run_clients.py")


class Clients:
    """The commands of one user; call it with a command's words."""

    def __init__(self, cloud: Cloud, user: str, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(RUNNER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=cloud.user_environment(user) | environment,
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        """A command's exit code, output and errors."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the clients' process died at {words}"
        code, out, err = json.loads(line)
        return code, out, err

    def __call__(self, command: str, *words: str) -> str:
        """Run `command`, split at blanks, with `words` after it; it has to succeed."""
        code, out, err = self.run(*command.split(), *words)
        assert code == 0, f"{command} {words}: {out}{err}"
        return out

    def json(self, command: str, *words: str) -> Any:
        """What an `openstack` command shows, as data."""
        return json.loads(self(command, *words, "-f", "json"))

    def refused(self, command: str, *words: str) -> str:
        """A command that has to fail; what it says."""
        code, out, err = self.run(*command.split(), *words)
        assert code != 0, f"{command} {words} succeeded: {out}"
        assert "Traceback" not in err, err
        return out + err

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=20)
