"""The child process that decodes one foreign TIFF into a flat file; `source_raster` runs this file as a script.

Arguments: TIFF, target, rows, columns, bands. The target becomes pixel-interleaved little-endian uint16 without header.
Limits are set before any native library sees the file (T12, L32). A full disk has its own exit code; the reason of any
other failure is the last line on stderr.
"""

import ctypes
import errno
import resource
import signal
import sys

ADDRESS_SPACE_BYTES = 2 * 1024**3
CPU_S = 600
OPEN_FILES = 64
READ_BYTES = 8 * 1024**2
COMPLAINT_BYTES = 64 * 1024
DISK_FULL = 4
_PR_SET_PDEATHSIG = 1


def limit_this_process(output_bytes: int) -> None:
    """Bound memory, time, files and output, and die with the parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    limits = {
        resource.RLIMIT_AS: ADDRESS_SPACE_BYTES,
        resource.RLIMIT_CPU: CPU_S,
        resource.RLIMIT_FSIZE: output_bytes + COMPLAINT_BYTES,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (allowed, allowed))


def decode(source: str, target: str, shape: tuple[int, int, int]) -> None:
    """Decode whole strips, as many at a time as fit `READ_BYTES`."""
    import numpy as np
    import rasterio
    from rasterio.windows import Window

    rows, cols, bands = shape
    with rasterio.open(source, driver="GTiff") as image, open(target, "wb") as out:  # noqa: PTH123
        found = (image.height, image.width, image.count)
        if found != shape or set(image.dtypes) != {"uint16"}:
            raise ValueError(f"decodes to {found} of {image.dtypes[0]}, expected {shape} of uint16")
        strip_rows = image.block_shapes[0][0]
        step = max(1, READ_BYTES // (cols * bands * 2 * strip_rows)) * strip_rows
        pixels = np.empty((min(step, rows), cols, bands), "<u2")
        for start in range(0, rows, step):
            part = pixels[: rows - start]
            image.read(window=Window(0, start, cols, len(part)), out=part.transpose(2, 0, 1))
            out.write(part.data)


def main() -> int:
    """Decode what the arguments say."""
    source, target, *numbers = sys.argv[1:]
    rows, cols, bands = (int(number) for number in numbers)
    limit_this_process(rows * cols * bands * 2)
    try:
        decode(source, target, (rows, cols, bands))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return DISK_FULL
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
