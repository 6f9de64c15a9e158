"""Where a scene lies: outlines against known polygons."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from pyproj import Transformer
from rasterio.features import rasterize
from rasterio.transform import from_origin
from shapely.affinity import rotate, translate

from catalog.geometry import read_geometry
from cog_builder.elevation import ConstantHeight
from cog_builder.errors import GeolocationError, UnreadableImageError
from cog_builder.footprint import as_geojson, image_outline, rough_bbox, valid_footprint
from cog_builder.scene import ImagePart, SourceImage
from cog_builder.sensor import known_sensors
from tests.support.cameras import GSD_M, HEIGHT, LONGITUDE, WIDTH, tilted_camera

EPSG = 4548
PIXEL_M = 8.0
CENTRE = (450_000.0, 4_418_000.0)


@pytest.fixture
def quality(tmp_path):
    """Writes the flags of a scene whose valid pixels are those inside a polygon in metres around its centre."""

    def writing(polygon, side=500, *, overviews=(), also=0):
        path = tmp_path / "quality.tif"
        transform = from_origin(CENTRE[0] - side / 2 * PIXEL_M, CENTRE[1] + side / 2 * PIXEL_M, PIXEL_M, PIXEL_M)
        shapes = [translate(polygon, *CENTRE)]
        inside = rasterize(shapes, out_shape=(side, side), transform=transform, fill=0).astype(np.bool_)
        profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "uint8", "nodata": 1}
        with rasterio.open(path, "w", crs=EPSG, transform=transform, **profile) as flags:
            flags.write(np.where(inside, np.uint8(also), np.uint8(1)), 1)
            flags.build_overviews(overviews, rasterio.enums.Resampling.nearest)
        return path

    return writing


def box(width_px, height_px, turned_degrees=0.0):
    half = width_px / 2 * PIXEL_M, height_px / 2 * PIXEL_M
    return rotate(shapely.box(-half[0], -half[1], *half), turned_degrees)


def in_degrees(polygon):
    to_degrees = Transformer.from_crs(EPSG, 4326, always_xy=True)
    return shapely.transform(
        translate(polygon, *CENTRE).segmentize(500),
        lambda points: np.column_stack(to_degrees.transform(points[:, 0], points[:, 1])),
    )


def iou(one, other):
    return one.intersection(other).area / one.union(other).area


@pytest.mark.parametrize("turned", [0, 3, 12, 30, 45, -11.5])
def test_the_footprint_of_a_turned_image_is_its_polygon_in_few_points(quality, turned):
    polygon = box(300, 250, turned)
    found = valid_footprint(quality(polygon))
    assert iou(found, in_degrees(polygon)) > 0.99
    assert shapely.get_num_coordinates(found) < 12
    assert found.is_valid
    assert found.exterior.is_ccw


def test_a_large_scene_is_traced_on_an_overview(quality):
    polygon = box(1700, 1500, 12)
    found = valid_footprint(quality(polygon, 2200, overviews=[2, 4]))
    assert iou(found, in_degrees(polygon)) > 0.995
    assert shapely.get_num_coordinates(found) < 12


def test_saturated_and_cloudy_pixels_are_inside(quality):
    polygon = box(300, 250, 12)
    assert iou(valid_footprint(quality(polygon, also=6)), in_degrees(polygon)) > 0.99


def test_holes_are_filled_and_specks_dropped(quality):
    speck = translate(box(4, 4), 220 * PIXEL_M, 220 * PIXEL_M)
    found = valid_footprint(quality(shapely.union_all([box(300, 250) - box(20, 30), speck])))
    assert iou(found, in_degrees(box(300, 250))) > 0.99
    assert found.geom_type == "Polygon"
    assert not found.interiors


def test_two_parts_stay_two(quality):
    parts = [translate(box(150, 200), side * 110 * PIXEL_M) for side in (-1, 1)]
    found = valid_footprint(quality(shapely.union_all(parts)))
    assert found.geom_type == "MultiPolygon"
    assert iou(found, in_degrees(shapely.union_all(parts))) > 0.99


def test_a_scene_of_nothing_but_fill_is_refused(quality):
    with pytest.raises(UnreadableImageError, match="nothing but fill"):
        valid_footprint(quality(translate(box(3, 3), 1e6)))


def test_geojson_is_lists_that_the_catalogue_reads(quality):
    found = valid_footprint(quality(box(300, 250, 12)))
    document = as_geojson(found)
    assert isinstance(document["coordinates"][0][0], list)
    assert read_geometry(document).equals(found)


def image(rpc):
    part = ImagePart((Path("GF1_x-MSS1.tiff"),), WIDTH, HEIGHT, rpc)
    return SourceImage("ms", (part,), known_sensors()["GF1", "PMS1"].bands, GSD_M, (1.0,) * 4, (0.0,) * 4, 1023)


def test_the_outline_of_an_image_is_where_its_corners_look():
    rpc = tilted_camera()
    longitude, latitude = image_outline(image(rpc), ConstantHeight(300.0))
    col, row = rpc.project(longitude, latitude, 300.0)
    assert (col.min(), col.max()) == pytest.approx((-0.5, WIDTH - 0.5), abs=1e-3)
    assert (row.min(), row.max()) == pytest.approx((-0.5, HEIGHT - 0.5), abs=1e-3)


@pytest.mark.parametrize("height_m", [-400.0, 0.0, 8800.0])
def test_the_rough_box_holds_the_image_at_any_height_on_earth(height_m):
    some = image(tilted_camera())
    west, south, east, north = rough_bbox(some.parts[0])
    longitude, latitude = image_outline(some, ConstantHeight(height_m))
    assert west <= longitude.min() < longitude.max() <= east
    assert south <= latitude.min() < latitude.max() <= north


@pytest.mark.parametrize("centre", [180.0, -180.0])
def test_a_scene_across_the_antimeridian_is_refused(centre):
    """Its grids would run around the earth; no such scene of these satellites is known."""
    across = image(replace(tilted_camera(), longitude_offset=centre))
    with pytest.raises(GeolocationError, match=r"GF1_x-MSS1\.tiff: looks at .* cannot be built"):
        image_outline(across, ConstantHeight(0.0))


def test_a_scene_beside_the_antimeridian_is_placed():
    rpc = replace(tilted_camera(), longitude_offset=179.95)
    longitude, _ = image_outline(image(rpc), ConstantHeight(300.0))
    expected, _ = image_outline(image(tilted_camera()), ConstantHeight(300.0))
    np.testing.assert_allclose(longitude - 179.95, expected - LONGITUDE, atol=1e-9)
