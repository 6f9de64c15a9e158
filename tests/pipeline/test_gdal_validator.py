"""What GDAL's own COG validator says of the files of a built scene, every block and its leader read."""

import os
import subprocess
from pathlib import Path

import pytest

from cog_builder.elevation import DemFile
from cog_builder.pipeline import build_delivery
from cog_builder.settings import CogBuilderSettings
from tests.support.simulated import tiny_delivery, tiny_dem

DEBIAN_PYTHON = Path("/usr/bin/python3")
VALIDATOR = "osgeo_utils.samples.validate_cloud_optimized_geotiff"


def has_validator():
    return subprocess.run([DEBIAN_PYTHON, "-c", "import osgeo_utils"], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("gf1-wfv", {}),
        ("gf2-pms", {}),
        ("gf1-wfv", {"profile": "compact,webp,c", "target_crs": "EPSG:4490"}),
        ("gf1-pms", {"profile": "webp,c", "target_crs": "EPSG:4527"}),
    ],
)
def test_every_file_is_a_valid_cog(kind, settings, tmp_path):
    if not has_validator():
        assert "CI" not in os.environ, "CI needs Debian's python3-gdal"
        pytest.skip("Debian's python3-gdal, which carries GDAL's COG validator, is not installed")
    folder = tmp_path / "scene"
    folder.mkdir()
    elevation = DemFile(tiny_dem(), "ellipsoid")
    build_delivery(tiny_delivery(kind, tmp_path), folder, elevation=elevation, settings=CogBuilderSettings(**settings))
    for path in sorted(folder.glob("*.tif")):
        command = [DEBIAN_PYTHON, "-m", VALIDATOR, "--full-check=yes", path]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert told.returncode == 0, f"{path.name}: {told.stdout}{told.stderr}"
        assert "is a valid cloud optimized GeoTIFF" in told.stdout
        assert "WARNING" not in told.stdout
