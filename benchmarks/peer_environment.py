"""The peers in an environment of their own, benchmarks/.env: what the project is compared with, at fixed versions."""

import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_FOLDER = _HERE / ".env"
_WANTED = _HERE / "peers.txt"

TITILER_ENVIRONMENT = {
    "GDAL_CACHEMAX": "200",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "VSI_CACHE": "TRUE",
    "VSI_CACHE_SIZE": "5000000",
}
"""What TiTiler's page on performance tuning recommends, as far as it concerns local files."""


def peer_python(folder: Path = _FOLDER, wanted: Path = _WANTED) -> Path:
    """The interpreter of the peers' environment, which is made or brought up to date first."""
    python, installed = folder / "bin" / "python", folder / wanted.name
    if not installed.exists() or installed.read_text() != wanted.read_text():
        print(f"installing the peers of {wanted.name} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", wanted], check=True)
        installed.write_text(wanted.read_text())
    return python
