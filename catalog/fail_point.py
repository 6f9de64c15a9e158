"""Fail points: named steps at which a rehearsal can stop, slow or break the publisher.

`NODE_FAILPOINT=rename:kill` kills the process at the step `rename`. Unset, as in production, a step does nothing.
"""

import errno
import os
import signal
import time

VARIABLE = "NODE_FAILPOINT"
STEPS = ("claim", "copy", "verify", "seal", "fence", "rename", "registered", "release")
"""The steps of `catalog.publishing.publish`, in order."""

_SLEEP_S = 3.0


def fail_point(step: str) -> None:
    """Do what the rehearsal asks at this step; nothing in production."""
    name, _, action = os.environ.get(VARIABLE, "").partition(":")
    if name != step:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        del os.environ[VARIABLE]  # once: the step may come again after the pause
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "sleep":
        time.sleep(_SLEEP_S)
    elif action == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), step)
    else:
        raise ValueError(f"{VARIABLE}: unknown action {action!r}, expected kill, stop, sleep or enospc")
