"""Built scenes against deliveries whose ground truth is known, and against GDAL's build of the same."""

from pathlib import Path

import pytest

from benchmarks.truth import DELIVERIES, measure

BUNDLES = Path(__file__).parents[3] / "shared/data/bundles"

if not BUNDLES.is_dir():
    pytest.skip("the deliveries with ground truth are not on this machine", allow_module_level=True)


@pytest.mark.parametrize("delivery", sorted(BUNDLES.glob(DELIVERIES)), ids=lambda path: path.name[:35])
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # GDAL's build opens the raw image
def test_every_pixel_is_in_its_place_with_its_right_value(delivery):
    found = measure(delivery, BUNDLES)
    assert found.geolocation_rms_px <= 0.1
    assert found.shift_to_gdal_px <= 0.05
    assert found.bias_percent <= 0.15
    assert found.rmse_percent <= 1.1 * found.rmse_percent_gdal
    assert found.footprint_iou >= 0.99
    assert found.metadata_exact
    if found.sharp_ergas is not None:
        assert found.sharp_ergas <= found.sharp_ergas_plain_ratio
