"""HTTP to other hosts: the one kind of client that this node asks them with."""

import random
import ssl

import httpx

USER_AGENT = "imagery-node"

_CONNECT_S = 3.0
_FIRST_PAUSE_S = 0.1


class PassingError(Exception):
    """The host did not answer as it should; it may the next time."""


def make_client(*, silence_s: float, connections: int) -> httpx.Client:
    """A client for many threads that asks exactly the addresses it is given.

    Redirects are not followed, proxies and passwords of the environment are not used, and bodies come as they are.

    Args:
        silence_s: How long a host may be silent in the middle of an answer.
        connections: How many are kept.
    """
    return httpx.Client(
        verify=ssl.create_default_context(),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(silence_s, connect=_CONNECT_S),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        headers={"accept-encoding": "identity", "user-agent": USER_AGENT},
    )


def pause_s(attempt: int) -> float:
    """How long to wait after so many attempts in vain: twice as long each time, and not with everyone else."""
    return _FIRST_PAUSE_S * float(2**attempt) * random.uniform(0.5, 1.5)  # noqa: S311  # not a secret
