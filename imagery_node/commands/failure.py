"""What ends a whole command, and how it is told."""


class ClusterLostError(Exception):
    """No scheduler answers, or it has no worker; nothing is wrong with any scene."""

    code = "cluster_lost"


def failure(error: BaseException) -> str:
    """One line: the stable code of a refusal and its reason."""
    return f"refused ({getattr(error, 'code', 'error')}): {error}"
