"""libnftables under several threads: it crashed the process that served two at once."""

import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

THREADS = """
import ctypes, threading
CLONE_NEWNET = 0x40000000
if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
    raise OSError(ctypes.get_errno(), "unshare")
from minova.companions.network.agent.nft import ACCEPT, Nft, Table, match, meta

done = []

def work(number):
    table = Table("inet", f"t{number}")
    nft = Nft()
    for _ in range(2000):
        nft.apply([
            *table.recreate(),
            table.chain("c"),
            table.rule("c", match(meta("iifname"), "lo"), ACCEPT),
            table.rule("c", match(meta("iif"), "lo"), ACCEPT),
        ])
        assert ("inet", f"t{number}") in nft.tables()
        nft.base_chains()
    done.append(number)

threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sorted(done))
"""


def test_several_threads_of_a_process_may_use_nftables_at_once() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "[0, 1, 2, 3]"), ran.stderr


MANY_FILES = """
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from minova.companions.network.agent.nft import Nft, NftError

files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
try:
    Nft().apply([{"add": {"table": {"family": "inet", "name": "t"}}}])
except NftError as error:
    print(error)
"""


def test_too_many_open_files_are_an_error_and_not_the_end_of_the_process() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", MANY_FILES], capture_output=True, text=True, timeout=60, check=False
    )
    said = "this process has more than 1024 files open\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, said, "")
