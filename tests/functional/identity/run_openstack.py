"""Runs `openstack` commands one after the other in one process, which saves its start each time.

stdin: a JSON list of argument lists; stdout: a JSON list of [exit code, output, errors].
"""

import contextlib
import io
import json
import sys

from openstackclient import shell

results = []
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = shell.main(arguments)
    results.append([code, out.getvalue(), err.getvalue()])
json.dump(results, sys.stdout)
