"""A short run of the fuzzer of `benchmarks/fuzz_stac.py`; the long one is a program of its own."""

import subprocess
import sys

import pytest

from tests.support.postgres import find_programs

pytest.importorskip("schemathesis", reason="makes the requests")


@pytest.mark.parametrize("store", ["sqlite", "pgstac"])
def test_no_request_that_schemathesis_thinks_of_is_our_fault(store):
    if store == "pgstac":
        find_programs()
    command = (sys.executable, "-m", "benchmarks.fuzz_stac", "--store", store, "--count", "500")
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "a writer: " in done.stdout
    assert " 0 answered with 5xx" in done.stdout
