"""A real browser for tests: Debian's chromium, headless, driven by its DevTools protocol."""

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or ""
SECONDS = 60


class Page:
    """The one page of a browser. `complaints` are what the browser found wrong with it."""

    def __init__(self, devtools: ClientConnection) -> None:
        self._devtools = devtools
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """A command of the protocol; its result."""
        number = next(self._numbers)
        self._devtools.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            said = json.loads(self._devtools.recv(SECONDS))
            self._note(said)
            if said.get("id") == number:
                assert "error" not in said, said["error"]
                return said["result"]

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """What a script of one expression says in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, script: str, what: str, seconds: float = SECONDS) -> Any:
        """Wait until the script says something true; what it says."""
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(script)):
            assert time.monotonic() < deadline, f"{what}: {self.complaints}"
            time.sleep(0.1)  # a page tells nobody what it draws
        return value

    def type(self, text: str) -> None:
        """Press keys; a newline is Enter."""
        for char in text:
            key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
            if char != "\n":
                code = {"code": f"Key{char.upper()}", "windowsVirtualKeyCode": ord(char.upper())}
                key = {"key": char, "text": char, **code}
            self.call("Input.dispatchKeyEvent", type="keyDown", **key)
            self.call("Input.dispatchKeyEvent", type="keyUp", **{**key, "text": ""})

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _note(self, said: dict[str, Any]) -> None:
        if said.get("method") == "Log.entryAdded":
            entry = said["params"]["entry"]
            if entry["level"] == "error":
                self.complaints.append(f"{entry['text']} {entry.get('url', '')}")
        elif said.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(said["params"]["exceptionDetails"]))


@contextlib.contextmanager
def page(folder: Path) -> Iterator[Page]:
    """A browser with an empty page; its files are in `folder`."""
    process = subprocess.Popen(
        [
            CHROMIUM,
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--remote-debugging-port=0", f"--user-data-dir={folder / 'browser'}"),
            *("--no-first-run", "--disable-extensions", "--window-size=900,700", "about:blank"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "browser.log").open("wb"),
        start_new_session=True,
    )
    try:
        with connect(_address(process, folder), max_size=None, proxy=None) as devtools:
            yield Page(devtools)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def _address(process: subprocess.Popen[bytes], folder: Path) -> str:
    """Where the page's DevTools are."""
    note = folder / "browser" / "DevToolsActivePort"
    deadline = time.monotonic() + SECONDS
    while True:
        assert process.poll() is None, (folder / "browser.log").read_text()[-2000:]
        assert time.monotonic() < deadline, "the browser does not start"
        with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
            port = int(note.read_text().splitlines()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=5) as answer:
                pages = json.load(answer)
            return str(next(p for p in pages if p["type"] == "page")["webSocketDebuggerUrl"])
        time.sleep(0.1)
