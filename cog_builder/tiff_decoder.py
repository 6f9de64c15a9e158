"""The child process that opens foreign TIFFs; `source_raster` runs this file as a script.

`decode TIFF TARGET ROWS COLUMNS BANDS` makes the target pixel-interleaved little-endian uint16 without header.
`place TIFF…` prints, a line each, the map the image lies on as JSON: `{"epsg": …, "mercator": […], "transform": […]}`,
or null where it lies on none.
Limits are set before any native library sees the file (T12, L32). A full disk has its own exit code; the reason of any
other failure is the last line on stderr.
"""

import ctypes
import errno
import json
import resource
import signal
import sys

ADDRESS_SPACE_BYTES = 2 * 1024**3
CPU_S = 600
OPEN_FILES = 64
READ_BYTES = 8 * 1024**2
COMPLAINT_BYTES = 64 * 1024
DISK_FULL = 4
SAMPLE_TYPES = ("uint8", "uint16", "int16")
_PR_SET_PDEATHSIG = 1
_LEAST_CONFIDENCE = 25
"""Of pyproj's 100, for a map that lacks its code."""
_TRANSVERSE_MERCATOR = "9807"
_ITS_PARAMETERS = ("8801", "8802", "8805", "8806", "8807")
_RADIUS_M = 6378137


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
        if found != shape or len(set(image.dtypes)) > 1 or image.dtypes[0] not in SAMPLE_TYPES:
            raise ValueError(f"decodes to {found} of {image.dtypes[0]}, expected {shape} of {', '.join(SAMPLE_TYPES)}")
        strip_rows = image.block_shapes[0][0]
        step = max(1, READ_BYTES // (cols * bands * 2 * strip_rows)) * strip_rows
        pixels = np.empty((min(step, rows), cols, bands), "<u2")
        for start in range(0, rows, step):
            part = pixels[: rows - start]
            window = Window(0, start, cols, len(part))
            if image.dtypes[0] == "uint16":
                image.read(window=window, out=part.transpose(2, 0, 1))
            else:
                part[...] = np.maximum(image.read(window=window), 0).transpose(1, 2, 0)
            out.write(part.data)


def place(source: str) -> dict[str, object] | None:
    """EPSG code and transform of an image on a map; a code of None stands for a CRS without one.

    A transverse Mercator that lacks its code is told by its parameters as well: names of maps mislead.
    """
    import rasterio
    from pyproj import CRS

    with rasterio.open(source, driver="GTiff") as image:
        if image.crs is None:
            return None
        crs, transform = CRS.from_wkt(image.crs.to_wkt()), list(image.transform)[:6]
    if (code := crs.to_epsg(min_confidence=100)) is not None:
        return {"epsg": code, "mercator": None, "transform": transform}
    projection, ellipsoid, mercator = crs.coordinate_operation, crs.ellipsoid, None
    if projection and projection.method_code == _TRANSVERSE_MERCATOR and ellipsoid:
        values = {parameter.code: parameter.value for parameter in projection.params}
        mercator = [values[code] for code in _ITS_PARAMETERS] if ellipsoid.semi_major_metre == _RADIUS_M else None
    return {"epsg": crs.to_epsg(min_confidence=_LEAST_CONFIDENCE), "mercator": mercator, "transform": transform}


def main() -> int:
    """Do what the arguments say."""
    task, source, *rest = sys.argv[1:]
    if task == "place":
        limit_this_process(0)
        for tiff in (source, *rest):
            print(json.dumps(place(tiff)), flush=True)  # noqa: T201  # this is the answer
        return 0
    target, *numbers = rest
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
