"""Wall time, CPU time and peak memory, of a stretch of code or of a process with its children."""

import json
import os
import subprocess
import time


def started_now():
    """Wall and CPU clocks now, for `spent`."""
    return time.perf_counter(), time.process_time()


def spent(started):
    """Seconds since `started`."""
    return {"wall_s": time.perf_counter() - started[0], "cpu_s": time.process_time() - started[1]}


def run(arguments):
    """A process of its own: its wall time, CPU time and peak memory, children included, or what it printed."""
    started = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, "GDAL_CACHEMAX": "256"})
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {arguments}")
    whole = {"wall_s": time.perf_counter() - started, "cpu_s": usage.ru_utime + usage.ru_stime}
    lines = [line for line in printed.splitlines() if line.startswith("{")]
    step = json.loads(lines[-1]) if lines else {}
    return {**whole, **{key: value for key, value in step.items() if key in whole}, "peak_mib": usage.ru_maxrss / 1024}
