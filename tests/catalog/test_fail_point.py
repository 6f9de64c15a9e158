"""Fail points: without effect in production, named wrongly they are refused."""

import pytest

from catalog.fail_point import SWITCH, VARIABLE, check_fail_point, fail_point


def test_nothing_happens_without_the_switch(monkeypatch):
    for switch in (None, "0", ""):
        monkeypatch.setenv(VARIABLE, "copy:enospc")
        monkeypatch.delenv(SWITCH, raising=False) if switch is None else monkeypatch.setenv(SWITCH, switch)
        fail_point("copy")
        monkeypatch.setenv(VARIABLE, "nonsense")
        check_fail_point()


def test_a_rehearsal_breaks_the_step_it_names(rehearse):
    rehearse("copy:enospc")
    check_fail_point()
    fail_point("verify")
    with pytest.raises(OSError, match="No space"):
        fail_point("copy")


@pytest.mark.parametrize("asked", ["", "recall:kill", "restore:enospc"])
def test_what_there_is_may_be_asked_for(rehearse, asked):
    rehearse(asked)
    check_fail_point()


@pytest.mark.parametrize("asked", ["copy", "copy:", "copy:explode", "coffee:kill", ":kill"])
def test_what_there_is_not_is_refused_at_start(rehearse, asked):
    rehearse(asked)
    with pytest.raises(ValueError, match="NODE_FAILPOINT"):
        check_fail_point()
