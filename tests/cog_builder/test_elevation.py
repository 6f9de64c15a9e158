"""Heights out of real small elevation models, against hand computations and published geoid heights."""

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.transform import from_origin

from cog_builder.elevation import ConstantHeight, DemFile, geoid_m
from cog_builder.errors import GeolocationError
from cog_builder.footprint import locate_on_ground
from cog_builder.orthorectification import Placement
from tests.support.cameras import HEIGHT, LATITUDE, LONGITUDE, WIDTH, tilted_camera

EVERYWHERE = (116.0, 39.0, 117.0, 40.0)
CORNERS = np.array([0.0, WIDTH - 1.0]), np.array([0.0, HEIGHT - 1.0])


def places(*pairs):
    """(longitude, latitude) arrays."""
    return tuple(np.array(values) for values in zip(*pairs, strict=True))


@pytest.fixture
def write(tmp_path):
    """Writes (row, column) heights as a GeoTIFF."""

    def writing(heights, *, crs="EPSG:4326", corner=(116.0, 40.0), cell=0.5, nodata=None, name="dem.tif"):
        path = tmp_path / name
        heights = np.asarray(heights, np.float32)
        profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": crs, "nodata": nodata}
        height, width = heights.shape
        transform = from_origin(*corner, cell, cell)
        with rasterio.open(path, "w", height=height, width=width, transform=transform, **profile) as dem:
            dem.write(heights, 1)
        return path

    return writing


def test_heights_are_bilinear_between_cell_centres(write):
    dem = DemFile(write([[100, 200], [300, 500]]))
    # Cell centres: 116.25 and 116.75 east, 39.75 and 39.25 north.
    asked = places((116.25, 39.75), (116.75, 39.25), (116.5, 39.5), (116.35, 39.75), (116.65, 39.35))
    # The last lies 0.8 of the way to the east and 0.8 to the south: 0.2·(0.2·100 + 0.8·200) + 0.8·(0.2·300 + 0.8·500).
    assert dem.heights_m(*asked) == pytest.approx([100, 500, 275, 120, 404])


def test_the_outer_half_of_the_edge_cells_has_their_height_and_nothing_is_known_beyond(write):
    dem = DemFile(write([[100, 200], [300, 500]])).around(EVERYWHERE, max_cells=100)
    inside = places((116.01, 39.99), (116.99, 39.01))
    beyond = places((115.99, 39.5), (117.01, 39.5), (116.5, 40.01), (116.5, 38.99))
    assert dem.heights_m(*inside) == pytest.approx([100, 500])
    assert np.isnan(dem.heights_m(*beyond)).all()


def test_a_model_in_a_projected_crs_is_asked_in_its_own_coordinates(write):
    left, top = 440_000.0, 4_430_000.0
    row, col = np.mgrid[:200, :200]
    x, y = left + 100 * (col + 0.5), top - 100 * (row + 0.5)
    plane = 50 + (x - left) * 0.01 + (y - top) * 0.003
    dem = DemFile(write(plane, crs="EPSG:32650", corner=(left, top), cell=100))
    asked = places((116.31, 39.91), (116.42, 39.95), (116.45, 39.86))
    x, y = Transformer.from_crs(4326, 32650, always_xy=True).transform(*asked)
    assert dem.heights_m(*asked) == pytest.approx(50 + (x - left) * 0.01 + (y - top) * 0.003, abs=1e-3)


def test_a_model_in_cgcs2000_is_where_wgs84_is(write):
    heights = np.arange(9).reshape(3, 3) * 100
    asked = places((116.4, 39.6), (116.9, 39.2))
    ours, theirs = (DemFile(write(heights, crs=crs)).heights_m(*asked) for crs in ("EPSG:4490", "EPSG:4326"))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("longitude", "latitude", "height_m"),
    [(116.4, 39.9, -9.9), (86.9, 28.0, -28.9), (0.0, 90.0, 13.6), (0.0, -90.0, -29.5), (78.75, 4.75, -107.0)],
)
def test_the_geoid_is_egm96(longitude, latitude, height_m):
    assert geoid_m(np.array([longitude]), np.array([latitude]))[0] == pytest.approx(height_m, abs=0.5)


def test_the_geoid_closes_around_the_earth():
    latitude = np.linspace(-80, 80, 9)
    np.testing.assert_array_equal(geoid_m(np.full(9, -180.0), latitude), geoid_m(np.full(9, 180.0), latitude))


class TestTheVerticalDatum:
    ASKED = places((116.4, 39.6))
    GEOID_M = float(geoid_m(*ASKED)[0])

    @pytest.mark.parametrize(
        ("crs", "setting", "geoids"),
        [
            ("EPSG:4326", "auto", 0),
            ("EPSG:4979", "auto", 0),
            ("EPSG:4326+5773", "auto", 1),
            ("EPSG:4326+3855", "auto", 1),
            ("EPSG:4326", "egm96", 1),
            ("EPSG:4326+5773", "ellipsoid", 0),
        ],
    )
    def test_is_the_settings_or_the_files(self, write, crs, setting, geoids):
        dem = DemFile(write(np.full((3, 3), 500), crs=crs), setting).around(EVERYWHERE, max_cells=100)
        assert dem.heights_m(*self.ASKED) == pytest.approx([500 + geoids * self.GEOID_M], abs=1e-3)
        assert dem.source == f"dem.tif ({'egm96' if geoids else 'ellipsoid'} heights)"

    def test_of_a_projected_model_with_heights_above_the_sea(self, write):
        path = write(np.full((9, 9), 500), crs="EPSG:32650+5773", corner=(400_000, 4_450_000), cell=10_000)
        assert DemFile(path).heights_m(*self.ASKED) == pytest.approx([500 + self.GEOID_M], abs=1e-3)


def test_a_model_with_more_cells_than_fit_is_averaged(write):
    row, col = np.mgrid[:200, :200]
    path = write(col * 3.0 + row, corner=(116.0, 40.0), cell=0.005)
    part = DemFile(path).around((116.1, 39.1, 116.9, 39.9), max_cells=2500)
    assert part.cells.size <= 51 * 51
    asked = places((116.3, 39.3), (116.52, 39.61))
    expected = [
        (longitude - 116) / 0.005 * 3 + (40 - latitude) / 0.005 - 2 for longitude, latitude in zip(*asked, strict=True)
    ]
    assert part.heights_m(*asked) == pytest.approx(expected, abs=0.05)


def test_cells_without_data_are_unknown_and_so_is_what_lies_between_them_and_others(write):
    heights = np.full((5, 5), 300.0)
    heights[2, 2] = -9999
    dem = DemFile(write(heights, nodata=-9999, cell=0.2))
    known = dem.heights_m(*places((116.5, 39.5), (116.35, 39.5), (116.25, 39.5), (116.9, 39.9)))
    assert np.isnan(known).tolist() == [True, True, False, False]


class TestAModelIsRefused:
    def test_that_lies_elsewhere_naming_both_places(self, write):
        path = write([[1, 2], [3, 4]], corner=(80.0, 30.0))
        said = (
            r"dem\.tif: the elevation model covers 80\.0000, 29\.0000, 81\.0000, 30\.0000 \(EPSG:4326\), "
            r"the scene needs 116\.0000, 39\.0000, 117\.0000, 40\.0000 \(degrees\)"
        )
        with pytest.raises(GeolocationError, match=said):
            DemFile(path).around(EVERYWHERE, max_cells=100)

    def test_without_a_crs(self, write):
        with pytest.raises(GeolocationError, match=r"dem\.tif: the elevation model has no CRS"):
            DemFile(write([[1, 2], [3, 4]], crs=None)).around(EVERYWHERE, max_cells=100)

    @pytest.mark.parametrize("content", [b"", b"no tiff", b"II*\0\x08\0\0\0" + bytes(20)])
    def test_that_cannot_be_read(self, tmp_path, content):
        path = tmp_path / "dem.tif"
        path.write_bytes(content)
        with pytest.raises(GeolocationError, match=r"dem\.tif: the elevation model cannot be read"):
            DemFile(path).around(EVERYWHERE, max_cells=100)

    def test_with_a_hole_where_the_image_looks(self, write):
        heights = np.full((40, 40), 300.0)
        heights[20, 20] = -9999
        path = write(heights, nodata=-9999, corner=(LONGITUDE - 0.1, LATITUDE + 0.1), cell=0.005)
        rpc, dem = tilted_camera(), DemFile(path).around((116.3, 39.8, 116.5, 40.0), max_cells=10**6)
        col, row = np.meshgrid(np.linspace(0, WIDTH - 1, 65), np.linspace(0, HEIGHT - 1, 65))
        with pytest.raises(GeolocationError, match=r"dem\.tif .*no height at 116\.\d+, 39\.\d+ and \d+ more of 4225"):
            locate_on_ground(rpc, dem, col, row)

    def test_that_reaches_a_part_of_the_image_only(self, write):
        path = write(np.full((20, 10), 300.0), corner=(LONGITUDE - 0.1, LATITUDE + 0.1), cell=0.01)
        dem = DemFile(path).around((116.3, 39.8, 116.5, 40.0), max_cells=10**6)
        with pytest.raises(GeolocationError, match="the elevation model must cover it all"):
            locate_on_ground(tilted_camera(), dem, *CORNERS)


def test_a_hole_beside_the_image_does_not_matter(write):
    heights = np.full((40, 40), 300.0)
    heights[:8] = heights[:, 35:] = -9999
    path = write(heights, nodata=-9999, corner=(LONGITUDE - 0.1, LATITUDE + 0.1), cell=0.005)
    dem = DemFile(path).around((116.3, 39.8, 116.5, 40.0), max_cells=10**6)
    longitude, latitude = locate_on_ground(tilted_camera(), dem, *CORNERS)
    flat = locate_on_ground(tilted_camera(), ConstantHeight(300.0), *CORNERS)
    assert np.abs([longitude - flat[0], latitude - flat[1]]).max() < 1e-7
    assert Placement(tilted_camera(), dem, (HEIGHT, WIDTH))


def test_a_vrt_over_several_files_is_one_model(write, tmp_path):
    write([[10, 20], [30, 40]], name="west.tif")
    write([[50, 60], [70, 80]], corner=(117.0, 40.0), name="east.tif")
    rasters = "".join(
        f'<SimpleSource><SourceFilename relativeToVRT="1">{name}.tif</SourceFilename><SourceBand>1</SourceBand>'
        f'<SrcRect xOff="0" yOff="0" xSize="2" ySize="2"/><DstRect xOff="{left}" yOff="0" xSize="2" ySize="2"/>'
        "</SimpleSource>"
        for name, left in (("west", 0), ("east", 2))
    )
    (tmp_path / "both.vrt").write_text(
        '<VRTDataset rasterXSize="4" rasterYSize="2"><SRS>EPSG:4326</SRS><GeoTransform>116, .5, 0, 40, 0, -.5'
        f'</GeoTransform><VRTRasterBand dataType="Float32" band="1">{rasters}</VRTRasterBand></VRTDataset>'
    )
    heights = DemFile(tmp_path / "both.vrt").heights_m(*places((116.25, 39.75), (117.0, 39.75), (117.75, 39.25)))
    assert heights == pytest.approx([10, 35, 80])


def test_a_constant_height_is_the_same_everywhere():
    flat = ConstantHeight(-31.5)
    assert flat.around(EVERYWHERE, max_cells=1).heights_m(*places((1, 2), (3, 4))).tolist() == [-31.5, -31.5]
    assert flat.source == "constant height -31.5 m above the WGS 84 ellipsoid"


def test_a_model_that_names_no_vertical_datum_is_doubted_in_the_item(tmp_path):
    path = tmp_path / "dem.tif"
    profile = {"driver": "GTiff", "width": 40, "height": 40, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", **profile, transform=from_origin(116, 40, 0.01, 0.01)) as file:
        file.write(np.full((40, 40), 100, np.float32), 1)
    bbox = (116.1, 39.7, 116.3, 39.9)
    assert "vertical_datum: dem.tif does not say" in DemFile(path).around(bbox, max_cells=10_000).warnings[0]
    assert DemFile(path, "ellipsoid").around(bbox, max_cells=10_000).warnings == ()
    assert "averaged over 2.0 cells" in DemFile(path, "egm96").around(bbox, max_cells=169).source
