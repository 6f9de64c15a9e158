"""The command line as a process of its own, and what a node's folder holds after it."""

import hashlib
import json
import os
import subprocess
import sys

from typer.testing import CliRunner

from imagery_node.cli import app

OURS = ("COG_BUILDER_", "CATALOG_", "IMAGERY_NODE_", "NODE_FAILPOINT", "NODE_REHEARSAL")


def imagery_node(*arguments, variables=None, **options):
    """Run `imagery-node` with none of our settings but `variables`; stdout and stderr are kept as text."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    command = [sys.executable, "-m", "imagery_node.cli", *map(str, arguments)]
    captured = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 120} | options
    return subprocess.run(command, env=inherited | (variables or {}), **captured)


def in_process(*arguments):
    """The same without a process of its own: quicker, for what does not depend on one."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def told(done):
    """The JSON lines of a finished command, by delivery."""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    by_delivery = {line["delivery"]: line for line in lines}
    assert len(by_delivery) == len(lines)
    return by_delivery


def files_of(home):
    """Checksums of the published scenes' files by path; of `item.json`, which knows when it was made, that it is there.

    The documents of the collections are left out: the first attempt at a scene brings its collection.
    """
    files = [path for path in home.glob("scenes/*/*/**/*") if path.is_file()]
    digests = {}
    for path in files:
        digest = "present" if path.suffix == ".json" else hashlib.sha256(path.read_bytes()).hexdigest()
        digests[path.relative_to(home).as_posix()] = digest
    return digests


def left_in_staging(home):
    """What a publisher left behind; the lock of the folder itself always stays."""
    return [path.name for path in (home / "staging").iterdir() if path.name != ".lock"]
