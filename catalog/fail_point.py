"""Fail points: named steps at which a rehearsal can stop, slow or break the publisher.

With `NODE_REHEARSAL=1`, `NODE_FAILPOINT=rename:kill` kills the process at the step `rename`. Without the switch, as in
production, a step does nothing.
"""

import errno
import os
import signal
import time

SWITCH = "NODE_REHEARSAL"
VARIABLE = "NODE_FAILPOINT"

PUBLISH_STEPS = ("claim", "copy", "verify", "seal", "fence", "rename", "registered", "release")
"""The steps of `catalog.publishing.publish`, in order."""

STEPS = (*PUBLISH_STEPS, "load", "recall", "restore", "remove", "follow")
ACTIONS = ("kill", "stop", "sleep", "enospc")

_SLEEP_S = 3.0


def check_fail_point() -> None:
    """See at program start that a rehearsal asks for something there is.

    Raises:
        ValueError: The step or the action is unknown.
    """
    step, _, action = _asked().partition(":")
    if (step or action) and (step not in STEPS or action not in ACTIONS):
        raise ValueError(f"{VARIABLE}: {step}:{action}, expected one of {', '.join(STEPS)}; then {', '.join(ACTIONS)}")


def fail_point(step: str) -> None:
    """Do what the rehearsal asks at this step; nothing in production."""
    name, _, action = _asked().partition(":")
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


def _asked() -> str:
    return os.environ.get(VARIABLE, "") if os.environ.get(SWITCH) == "1" else ""
