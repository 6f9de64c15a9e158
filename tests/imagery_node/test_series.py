import csv
import io
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import numpy as np
import pytest
import rasterio
import shapely
from pyproj import Transformer
from rasterio.warp import Resampling, reproject

from catalog.item import item_folder
from catalog.settings import CatalogSettings
from tests.support.measured import BANDS, PIXEL_M, SCALE, SIDE, list_measured, publish_measured, scene_transform
from tests.support.published import node_at, put_collection
from tests.support.rasters import UTM_50N

LAYER = "/raster/layers/gf2-pms/timeseries"
UTM_51N = "EPSG:32651"
FIELD = {
    "type": "Polygon",
    "coordinates": [
        [[116.3842, 39.9082], [116.3986, 39.9049], [116.4033, 39.8951], [116.3907, 39.8963], [116.3842, 39.9082]],
        [[116.3921, 39.9032], [116.3921, 39.9001], [116.3962, 39.9001], [116.3962, 39.9032], [116.3921, 39.9032]],
    ],
}
"""With a hole; across the not valid corner."""
POINT = (116.3950, 39.8990)
NDVI = "(nir-red)/(nir+red)"


def clouds(seed):
    return np.random.default_rng(seed).random((SIDE, SIDE)) < 0.3


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Four dates: one scene, one all clouds, two overlapping scenes on one grid, one without quality."""
    with node_at(tmp_path_factory.mktemp("home")) as node:
        put_collection(node.store, "gf2-pms")
        put_collection(node.store, "gf1-pms")
        pixels = {}

        def publish(item_id, when, **options):
            pixels[item_id] = publish_measured(node.store, node.home, item_id, when, **options)

        publish("ONE", "2024-03-01T03:00:00Z", seed=1, cloudy=clouds(1), **{"eo:cloud_cover": 30})
        publish(
            "OVERCAST", "2024-04-01T03:00:00Z", seed=2, cloudy=np.ones((SIDE, SIDE), bool), **{"eo:cloud_cover": 99}
        )
        east = scene_transform(east=100 * PIXEL_M, south=20 * PIXEL_M)
        publish("BELOW", "2024-05-01T03:00:00Z", seed=3, cloudy=clouds(3), transform=east)
        publish("ABOVE", "2024-05-01T04:00:00Z", seed=4, cloudy=clouds(4))
        publish("UNFLAGGED", "2024-06-01T03:00:00Z", seed=5, quality=False)
        node.pixels = pixels
        yield node


def series(node, query="", area=None, layer=LAYER, **options):
    area = FIELD if area is None else area
    answer = node.get(f"{layer}{query}", "POST", json=area, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def rows(node, query="", **options):
    return {row["date"]: row for row in series(node, query, **options)["dates"]}


def inside(geometry, transform, side=SIDE, crs=UTM_50N):
    """Whether the centre of each pixel lies in a geometry of degrees."""
    cols, rows_ = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    xs, ys = transform * (cols, rows_)
    return shapely.contains_xy(
        shapely.geometry.shape(geometry), *Transformer.from_crs(crs, "OGC:CRS84").transform(xs, ys)
    )


def expect(row, band, values):
    found = row["bands"][band]
    assert found["count"] == len(values)
    wanted = (values.mean(), np.median(values), values.min(), values.max(), values.std())
    assert [found[name] for name in ("mean", "median", "min", "max", "std")] == pytest.approx(wanted, rel=1e-5)


def test_every_date_has_the_statistics_that_numpy_gives_of_the_clear_pixels_in_the_area(scenes):
    row = rows(scenes)["2024-03-01"]
    pixels = scenes.pixels["ONE"]
    within = inside(FIELD, scene_transform())
    valid = within & (pixels[0] != 0)
    clear = valid & ~clouds(1)
    assert 0 < clear.sum() < valid.sum() < within.sum()
    assert (row["area_pixels"], row["valid_pixels"], row["clear_pixels"]) == (within.sum(), valid.sum(), clear.sum())
    assert row["clear_percent"] == pytest.approx(100 * clear.sum() / valid.sum(), abs=0.01)
    assert row["items"] == ["ONE"]
    assert (row["crs"], row["pixel"]) == (UTM_50N, [PIXEL_M, PIXEL_M])
    assert list(row["bands"]) == list(BANDS)
    for number, band in enumerate(BANDS):
        expect(row, band, pixels[number][clear] * SCALE)


def test_all_valid_pixels_count_where_clouds_are_asked_for(scenes):
    row = rows(scenes, "?clear=false")["2024-03-01"]
    pixels = scenes.pixels["ONE"]
    expect(row, "red", pixels[2][inside(FIELD, scene_transform()) & (pixels[2] != 0)] * SCALE)


def test_stored_values_are_given_as_they_are_where_asked_for(scenes):
    row = rows(scenes, "?scaled=false&bidx=4&clear=false")["2024-03-01"]
    pixels = scenes.pixels["ONE"]
    assert list(row["bands"]) == ["nir"]
    expect(row, "nir", pixels[3][inside(FIELD, scene_transform()) & (pixels[3] != 0)].astype(float))


def test_an_index_is_worked_out_for_each_pixel(scenes):
    row = rows(scenes, f"?{urlencode({'expression': NDVI})}")["2024-03-01"]
    red, nir = scenes.pixels["ONE"][2:].astype(float)
    clear = inside(FIELD, scene_transform()) & (red != 0) & ~clouds(1)
    expect(row, NDVI, ((nir - red)[clear]) / (nir + red)[clear])


def test_a_date_without_a_clear_pixel_is_told_with_no_statistics(scenes):
    row = rows(scenes)["2024-04-01"]
    assert row["valid_pixels"] > 0
    assert (row["clear_pixels"], row["clear_percent"], row["items"]) == (0, 0, ["OVERCAST"])
    assert set(row["bands"].values()) == {None}


def test_scenes_of_one_date_are_laid_over_each_other_and_clear_pixels_show_through_clouds(scenes):
    row = rows(scenes)["2024-05-01"]
    side = SIDE + 100
    canvas = np.full((side, side), np.nan)
    covered = np.zeros((side, side), bool)
    for item_id, seed, (top, left) in (("BELOW", 3, (20, 100)), ("ABOVE", 4, (0, 0))):
        red = scenes.pixels[item_id][2]
        part = canvas[top : top + SIDE, left : left + SIDE]
        clear = (red != 0) & ~clouds(seed)
        part[clear] = red[clear] * SCALE
        covered[top : top + SIDE, left : left + SIDE] |= red != 0
    within = inside(FIELD, scene_transform(), side)
    assert row["items"] == ["ABOVE", "BELOW"]
    assert row["valid_pixels"] == (covered & within).sum()
    assert row["clear_pixels"] == (np.isfinite(canvas) & within).sum()
    expect(row, "red", canvas[np.isfinite(canvas) & within])


def test_a_scene_nobody_looked_at_for_clouds_counts_as_clear(scenes):
    row = rows(scenes)["2024-06-01"]
    assert row["clear_pixels"] == row["valid_pixels"] > 0


def test_a_box_means_the_pixels_whose_centres_lie_in_it(scenes):
    box = (116.3905, 39.8952, 116.3987, 39.9011)
    answer = scenes.get(f"{LAYER}?bbox={','.join(map(str, box))}&datetime=2024-06-01")
    (row,) = answer.json()["dates"]
    within = inside(shapely.geometry.mapping(shapely.box(*box)), scene_transform())
    assert row["area_pixels"] == row["valid_pixels"] == within.sum()
    expect(row, "blue", scenes.pixels["UNFLAGGED"][0][within] * SCALE)


def test_a_point_means_the_pixel_it_lies_in(scenes):
    answer = scenes.get(f"{LAYER}?point={POINT[0]},{POINT[1]}&clear=false")
    col, row = ~scene_transform() * Transformer.from_crs("OGC:CRS84", UTM_50N).transform(*POINT)
    dates = {row["date"]: row for row in answer.json()["dates"]}
    assert list(dates) == ["2024-03-01", "2024-04-01", "2024-05-01", "2024-06-01"]
    value = scenes.pixels["ONE"][1][int(row), int(col)] * SCALE
    assert dates["2024-03-01"]["valid_pixels"] == 1
    expect(dates["2024-03-01"], "green", np.array([value]))


def test_the_time_and_the_cloud_of_scenes_choose_the_dates(scenes):
    assert list(rows(scenes, "?datetime=2024-04-01/2024-05-31")) == ["2024-04-01", "2024-05-01"]
    assert list(rows(scenes, "?max_cloud=98")) == ["2024-03-01", "2024-05-01", "2024-06-01"]
    assert series(scenes, "?datetime=2020-01-01/2020-02-01")["dates"] == []


def test_dates_without_a_scene_on_the_very_area_are_left_out(scenes):
    _, north = FIELD["coordinates"][0][0]
    far = [[116.30, north], [116.31, north], [116.30, north - 0.01], [116.30, north]]
    assert series(scenes, area={"type": "Polygon", "coordinates": [far]})["dates"] == []


def test_the_series_is_a_table_for_those_who_ask_for_csv(scenes):
    documents = rows(scenes)
    for options in ({"params": {"f": "csv"}}, {"headers": {"Accept": "text/csv"}}):
        answer = scenes.get(LAYER, "POST", json=FIELD, **options)
        assert answer.headers["content-type"].startswith("text/csv")
        lines = list(csv.DictReader(io.StringIO(answer.text)))
        assert [(line["date"], line["band"]) for line in lines] == [(day, band) for day in documents for band in BANDS]
        for line in lines:
            document = documents[line["date"]]
            assert line["items"].split() == document["items"]
            assert int(line["clear_pixels"]) == document["clear_pixels"]
            statistics = document["bands"][line["band"]] or {}
            assert (line["mean"] or None) == (str(statistics["mean"]) if statistics else None)


def test_a_rendering_of_the_collection_says_what_is_measured(scenes):
    document = series(scenes, "?render=false-colour")
    assert document["asset"] == "analytic"
    assert list(document["dates"][0]["bands"]) == ["nir", "red", "green"]


def test_of_a_scene_on_another_grid_the_pixels_under_the_centres_are_taken(scenes, tmp_path):
    to_51n = Transformer.from_crs(UTM_50N, UTM_51N)
    x, y = to_51n.transform(*(scene_transform() * (0, 0)))
    with node_at(tmp_path / "home") as node:
        put_collection(node.store, "gf2-pms")
        fine = publish_measured(node.store, node.home, "FINE", "2024-03-01T04:00:00Z", cloudy=clouds(1))
        coarse = rasterio.Affine(10, 0, x, 0, -10, y)
        publish_measured(node.store, node.home, "OTHER", "2024-03-01T03:00:00Z", seed=2, crs=UTM_51N, transform=coarse)
        row = rows(node)["2024-03-01"]
        folder = item_folder(node.home, node.store.item("gf2-pms", "OTHER"))
        with rasterio.open(folder / "analytic.tif") as file:
            below = np.zeros((SIDE, SIDE), np.uint16)
            reproject(
                rasterio.band(file, 3), below, dst_crs=UTM_50N, dst_transform=scene_transform(), dst_nodata=0,
                resampling=Resampling.nearest, tolerance=0,
            )  # fmt: skip
    clear = (fine[2] != 0) & ~clouds(1)
    values = np.where(clear, fine[2], below)[inside(FIELD, scene_transform())] * SCALE
    assert row["items"] == ["FINE", "OTHER"]
    assert row["bands"]["red"]["count"] == np.count_nonzero(values)
    assert row["bands"]["red"]["mean"] == pytest.approx(values[values > 0].mean(), rel=1e-4)


def test_a_scene_that_cannot_be_read_is_named_and_the_others_count(tmp_path):
    with node_at(tmp_path / "home") as node:
        put_collection(node.store, "gf2-pms")
        for day in (1, 2):
            publish_measured(node.store, node.home, f"DAY-{day}", f"2024-03-0{day}T03:00:00Z")
        folder = item_folder(node.home, node.store.item("gf2-pms", "DAY-1"))
        (folder / "analytic.tif").write_bytes(b"no image")
        first, second = rows(node).values()
    assert first["left_out"] == {"DAY-1": "cannot be read"}
    assert (first["items"], first["valid_pixels"]) == ([], 0)
    assert second["items"] == ["DAY-2"]
    assert second["valid_pixels"] > 0


def listed(node, count):
    """Items without files, each of another day."""
    for number in range(count):
        moment = datetime(2020, 1, 1, 3, tzinfo=UTC) + timedelta(days=number)
        list_measured(node.store, f"DAY-{number}", moment.isoformat())


def test_up_to_two_hundred_dates_are_answered_at_once(tmp_path):  # L20
    with node_at(tmp_path / "home") as node:
        put_collection(node.store, "gf2-pms")
        listed(node, 201)
        refused = node.get(f"{LAYER}?point={POINT[0]},{POINT[1]}")
        assert (refused.status_code, refused.json()["code"]) == (400, "limit.dates")
        allowed = node.get(f"{LAYER}?point={POINT[0]},{POINT[1]}&datetime=2020-01-02/..").json()
        assert len(allowed["dates"]) == 200


@pytest.mark.parametrize("bound", ["MAX_SOURCE_PX", "MAX_IMAGE_PX"])
def test_more_pixels_than_one_answer_may_read_are_refused_before_any_is_read(scenes, monkeypatch, bound):  # L08
    monkeypatch.setattr(f"imagery_node.series.{bound}", 1000)
    answer = scenes.get(LAYER, "POST", json=FIELD)
    assert (answer.status_code, answer.json()["code"]) == (400, "limit.area")
    assert scenes.get(f"{LAYER}?point={POINT[0]},{POINT[1]}").status_code == 200


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "limit.bbox"),
        ("bbox=116,39,117,40&point=116,39", "limit.bbox"),
        ("bbox=116,40,117,39", "limit.bbox"),
        ("point=116,91", "limit.point"),
        ("point=116,39&max_cloud=101", "limit.max_cloud"),
        ("point=116,39&max_cloud=nan", "limit.max_cloud"),
        ("point=116,39&scaled=yes", "limit.scaled"),
        ("point=116,39&clear=1", "limit.clear"),
        ("point=116,39&f=xml", "limit.f"),
        ("point=116,39&rescale=0,1", "unknown_parameter"),
        ("point=116,39&point=117,39", "repeated_parameter"),
        ("point=116,39&datetime=2024-02-01/2024-01-01", "limit.datetime"),
        ("point=116,39&expression=red%2B", "bad_rendering"),
        (f"point={POINT[0]},{POINT[1]}&expression=swir", "bad_rendering"),
        (f"point={POINT[0]},{POINT[1]}&bidx=5", "bad_rendering"),
        (f"point={POINT[0]},{POINT[1]}&assets=nope", "bad_rendering"),
    ],
)
def test_what_cannot_be_measured_is_refused(scenes, query, code):
    answer = scenes.get(f"{LAYER}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"type": "Point", "coordinates": [116, 39]}, "limit.geometry"),
        ({"type": "Feature", "geometry": None}, "limit.geometry"),
        ([FIELD], "limit.geometry"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [0, 91], [1, 1], [0, 0]]]}, "limit.geometry"),
        (
            {"type": "Polygon", "coordinates": [[[0, 0], *([n / 1e4, 1] for n in range(9999)), [0, 0]]]},
            "limit.geometry",
        ),
    ],
)
def test_an_area_that_is_none_is_refused(scenes, body, code):  # L10
    answer = scenes.get(LAYER, "POST", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_feature_stands_for_its_geometry(scenes):
    assert series(scenes, area={"type": "Feature", "properties": {}, "geometry": FIELD}) == series(scenes)


def test_the_values_of_protected_scenes_are_given_to_readers_only(tmp_path):
    catalog = CatalogSettings(protected=("gf2-pms",), signing_key="k" * 40, read_token="s" * 40)
    with node_at(tmp_path / "home", catalog=catalog) as node:
        put_collection(node.store, "gf2-pms")
        put_collection(node.store, "gf1-pms")
        publish_measured(node.store, node.home, "SECRET", "2024-03-01T03:00:00Z")
        publish_measured(node.store, node.home, "OPEN", "2024-04-01T03:00:00Z", collection="gf1-pms")
        for layer, status in (("gf2-pms", 401), ("img", 401), ("gf1-pms", 200)):
            assert node.get(LAYER.replace("gf2-pms", layer), "POST", json=FIELD).status_code == status
        reader = {"Authorization": f"Bearer {'s' * 40}"}
        assert len(series(node, headers=reader, layer=LAYER.replace("gf2-pms", "img"))["dates"]) == 2


def test_a_looked_up_place_tells_the_values_of_protected_scenes_to_readers_only(tmp_path):
    catalog = CatalogSettings(protected=("gf2-pms",), signing_key="k" * 40, read_token="s" * 40)
    with node_at(tmp_path / "home", catalog=catalog) as node:
        put_collection(node.store, "gf2-pms")
        publish_measured(node.store, node.home, "SECRET", "2024-03-01T03:00:00Z")
        bbox = node.store.item("gf2-pms", "SECRET")["bbox"]
        lon, lat = (bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2
        path = f"/raster/layers/gf2-pms/point?lon={lon}&lat={lat}&assets=analytic"
        public = node.get(path).json()
        assert (public["scenes"][0]["item"], public["values"]) == ("SECRET", {})
        assert set(node.get(path, headers={"Authorization": f"Bearer {'s' * 40}"}).json()["values"]) == set(BANDS)
