"""Every GDAL, OpenCV and process option we set, each with its reason; never inherited from the environment."""

import ctypes
import os

import cv2
from pyproj.network import (  # type: ignore[attr-defined]  # pyproj does not say that it exports them
    is_network_enabled,
    set_network_enabled,
)
from rasterio.env import get_gdal_config, set_gdal_config

OPTIONS = {
    # A file beside the TIFF (.aux.xml, .ovr) may name other sources: never look for one.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    # Should anything ever open a remote file, then only a TIFF, without caller-chosen headers, and not for long.
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff",
    "CPL_VSIL_CURL_HEADER_FILE_KVP_ENABLED": "NO",
    "GDAL_HTTP_CONNECTTIMEOUT": "3",
    "GDAL_HTTP_TIMEOUT": "10",
    "GDAL_HTTP_MAX_RETRY": "2",
    "AWS_EC2_METADATA_DISABLED": "true",
    # A VRT can carry Python code or name any byte range of any file.
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_VRT_ENABLE_RAWRASTERBAND": "NO",
    # Memory is bounded by our own caches; GDAL's serves only previews and statistics.
    "GDAL_CACHEMAX": "268435456",
    "VSI_CACHE": "FALSE",
    "VSI_CACHE_SIZE": "16777216",
    # The node runs requests side by side; threads inside one request only make the others wait.
    "GDAL_NUM_THREADS": "1",
    "NUMEXPR_MAX_THREADS": "1",
    # Coordinate work must not depend on the network.
    "PROJ_NETWORK": "OFF",
}

_HEAP_OPTIONS = {
    # Keep glibc from giving each thread its own heap (as MALLOC_ARENA_MAX would): freed memory returns.
    -8: 2,  # M_ARENA_MAX
    # A tile's arrays are a few MiB and short-lived: taken from the system and given back for every tile, their page
    # faults cost 1 ms of CPU, as much as drawing it.
    -3: 16 << 20,  # M_MMAP_THRESHOLD
    -1: 64 << 20,  # M_TRIM_THRESHOLD
}


def pin_options() -> None:
    """Set every option for the whole process and check that GDAL and PROJ have taken it.

    Raises:
        RuntimeError: GDAL or PROJ answers with another value.
    """
    os.environ.update(OPTIONS)
    # Once GDAL has cached a block it no longer looks at the environment for this one.
    set_gdal_config("GDAL_CACHEMAX", int(OPTIONS["GDAL_CACHEMAX"]))
    for name, value in OPTIONS.items():
        found = str(get_gdal_config(name, normalize=False))
        if found != value:
            raise RuntimeError(f"{name} is {found!r} in GDAL, expected {value!r}")
    # pyproj brings a PROJ of its own, which has read the environment already.
    set_network_enabled(active=False)
    if is_network_enabled():
        raise RuntimeError("PROJ may use the network, expected that it may not")
    _tune_heap()
    cv2.setNumThreads(1)  # for the same reason as GDAL_NUM_THREADS


def _tune_heap() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for option, value in _HEAP_OPTIONS.items():
        if mallopt is not None:
            mallopt(option, value)
