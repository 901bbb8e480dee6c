"""The command-line clients as a user's hands: `openstack` and `nova`, unmodified.

`Clients` keeps one process of them running (`run_clients.py`), because
starting one costs a second and a command a tenth of that. A real
`.venv/bin/openstack` process is `Cloud.client`.
"""

import json
import os
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


def run_openstack(
    auth_url: str, user: str, password: str, project: str, *commands: str, **environment: str
) -> list[str]:
    """`openstack` commands one after the other; the outputs, of which none may be a failure."""
    given = {
        "OS_AUTH_URL": auth_url,
        "OS_USERNAME": user,
        "OS_PASSWORD": password,
        "OS_PROJECT_NAME": project,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_IDENTITY_API_VERSION": "3",
        "OS_CLIENT_CONFIG_FILE": "/nonexistent",
    }
    lines = [json.dumps(["openstack", *command.split()]) for command in commands]
    done = subprocess.run(
        [sys.executable, str(RUNNER)],
        input="\n".join(lines) + "\n",
        env={**os.environ, **given, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    for command, (code, out, err) in zip(commands, results, strict=True):
        assert code == 0, f"openstack {command}: {out}{err}"
    return [out for _, out, _ in results]
