"""Every bound from both sides: the last value allowed and the first one refused."""

import pytest

from tests.support.published import address

ITEM = "/raster/collections/gf2-pms/items/OLD"
LAYER = "/raster/layers/gf2-pms"
TILE = f"{LAYER}/{address()}"
GRID = "tiles/WebMercatorQuad"
BOX = "116.37,39.95,116.40,39.97"
LONG_ID, TOO_LONG_ID = "a" * 128, "a" * 129
NINE_ASSETS = "&".join(f"assets=a{number}" for number in range(9))
POINT = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [116.38, 39.96]}}
STATISTICS, PREVIEW = f"{ITEM}/statistics", f"{ITEM}/preview"
STRETCHED = f"{TILE}?rescale=0,1"
CLASS = "[[[0,255],[9,9,9]]]"
BAD, COLLECTION = "bad_rendering", "limit.collection"
BINS, RANGE = "limit.histogram_bins", "limit.histogram_range"
EIGHT = "&".join(f"bidx={band}" for band in range(1, 9))


def polygon(points=5, *, west=116.37, rings=1):
    """A feature of one polygon with that many points to its ring."""
    top = [[west + 0.03 * number / points, 39.97] for number in range(points - 3)]
    ring = [[west, 39.95], *top, [west + 0.03, 39.95], [west, 39.95]]
    return {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring] * rings}}


def features(count):
    return {"type": "FeatureCollection", "features": [polygon()] * count}


GETS = [
    # limit, allowed, refused, status, code
    ("L01 address", f"{TILE}?foo={'x' * 7000}", f"{TILE}?foo={'x' * 9000}", 414, None),
    ("L01 unknown", TILE, f"{TILE}?foo=1", 400, None),
    ("L01 unknown of an item", f"{ITEM}/info", f"{ITEM}/info?url=http://127.0.0.1:9/", 400, None),
    ("L01 repeated", f"{TILE}?assets=visual", f"{TILE}?assets=visual&assets=visual", 400, None),
    ("L01 repeated of an item", f"{PREVIEW}?max_size=9", f"{PREVIEW}?max_size=9&max_size=9", 400, None),
    ("L04 zoom", f"{LAYER}/{GRID}/24/0/0", f"{LAYER}/{GRID}/25/0/0", 404, "tile_outside_grid"),
    ("L04 column", f"{LAYER}/{GRID}/3/7/7", f"{LAYER}/{GRID}/3/8/7", 404, "tile_outside_grid"),
    ("L04 row", f"{LAYER}/{GRID}/3/7/7", f"{LAYER}/{GRID}/3/7/8", 404, "tile_outside_grid"),
    ("L04 negative", f"{LAYER}/{GRID}/14/0/0", f"{LAYER}/{GRID}/14/-1/0", 400, "limit.tile"),
    ("L04 grid", TILE, TILE.replace("WebMercatorQuad", "WorldCRS84Quad"), 404, "unknown_grid"),
    ("L05 scale", f"{TILE}@2x", f"{TILE}@4x", 400, "limit.tile"),
    ("L07 zero", f"{PREVIEW}?width=1&height=1", f"{PREVIEW}?width=0&height=0", 400, None),
    ("L07 negative", f"{PREVIEW}?max_size=1", f"{PREVIEW}?max_size=-5", 400, "limit.max_size"),
    ("L07 side", f"{PREVIEW}?max_size=4096", f"{PREVIEW}?max_size=4097", 400, "limit.max_size"),
    ("L07 area", f"{ITEM}/preview/4096x1000.png", f"{ITEM}/preview/4097x1000.png", 400, "limit.width"),
    ("L08 full resolution", f"{ITEM}/bbox/{BOX}.png", f"{ITEM}/bbox/70,10,140,60.png", 400, "limit.image"),
    ("L09 order", f"{ITEM}/bbox/{BOX}/9x9.png", f"{ITEM}/bbox/116.37,39.97,116.40,39.95/9x9.png", 400, "limit.bbox"),
    ("L09 finite", f"{ITEM}/point/116.38,39.97", f"{ITEM}/point/nan,39.97", 400, "limit.point"),
    ("L09 earth", f"{LAYER}/dates?bbox=-180,-90,180,90", f"{LAYER}/dates?bbox=-181,-90,180,90", 400, "limit.bbox"),
    ("L09 area", f"{LAYER}/dates?bbox=0,0,1e-9,1", f"{LAYER}/dates?bbox=0,0,0,1", 400, "limit.bbox"),
    ("L09 count", f"{LAYER}/dates?bbox=0,0,0,1,1,1", f"{LAYER}/dates?bbox=0,0,0,1,1", 400, "limit.bbox"),
    ("L09 point", f"{LAYER}/dates?point=180,90", f"{LAYER}/dates?point=180,90.1", 400, "limit.point"),
    ("L13 bands", f"{TILE}?bidx=1&bidx=2&bidx=3", f"{TILE}?{EIGHT}&bidx=9", 400, BAD),
    ("L13 existing", f"{TILE}?bidx=3", f"{TILE}?bidx=4", 400, BAD),
    ("L13 zero", f"{TILE}?bidx=1", f"{TILE}?bidx=0", 400, BAD),
    ("L13 unique", f"{TILE}?bidx=1", f"{TILE}?bidx=1&bidx=1&bidx=1", 400, BAD),
    ("L13 asset name", f"{TILE}?assets={'a' * 64}", f"{TILE}?assets={'a' * 65}", 400, "limit.assets"),
    ("L13 assets", f"{ITEM}/info?assets=visual", f"{ITEM}/info?{NINE_ASSETS}", 400, "limit.assets"),
    ("L14 length", f"{STRETCHED}&expression=b1{'%2B1' * 40}", f"{STRETCHED}&expression={'b1' * 300}", 400, BAD),
    ("L14 exponent", f"{TILE}?expression=b1**4&rescale=0,1", f"{TILE}?expression=b1**5&rescale=0,1", 400, BAD),
    ("L15 order", f"{TILE}?rescale=0,1", f"{TILE}?rescale=1,1", 400, BAD),
    ("L15 finite", f"{TILE}?rescale=0,1e300", f"{TILE}?rescale=0,1e999", 400, "limit.rescale"),
    ("L15 pairs", f"{STRETCHED}&rescale=0,1&rescale=0,1", f"{STRETCHED}&rescale=0,1", 400, BAD),
    ("L15 gamma", f"{TILE}?gamma=10", f"{TILE}?gamma=10.1", 400, BAD),
    ("L15 little gamma", f"{TILE}?gamma=0.1", f"{TILE}?gamma=0.09", 400, BAD),
    ("L15 a gamma", f"{TILE}?gamma=1.4", f"{TILE}?gamma=x", 400, "limit.gamma"),
    ("L16 classes", f"{TILE}?bidx=1&colormap={CLASS}", f"{TILE}?bidx=1&colormap=[{CLASS}]", 400, BAD),
    ("L16 JSON", f"{TILE}?bidx=1&colormap={CLASS}", f"{TILE}?bidx=1&colormap=[[", 400, "limit.json"),
    ("L16 colour map", f"{TILE}?colormap_name=jet", f"{TILE}?colormap_name=nope", 400, BAD),
    ("L17 resampling", f"{PREVIEW}?resampling=bilinear", f"{PREVIEW}?resampling=best", 400, "limit.resampling"),
    ("L17 format", f"{ITEM}/preview.webp", f"{ITEM}/preview.exe", 400, "limit.format"),
    ("L18 bins", f"{STATISTICS}?histogram_bins=1024", f"{STATISTICS}?histogram_bins=1025", 400, BINS),
    ("L18 no bins", f"{STATISTICS}?histogram_bins=1", f"{STATISTICS}?histogram_bins=0", 400, BINS),
    ("L18 range", f"{STATISTICS}?histogram_range=0,1", f"{STATISTICS}?histogram_range=1,0", 400, RANGE),
    ("L18 percentile", f"{STATISTICS}?p=100", f"{STATISTICS}?p=101", 400, "limit.p"),
    ("L18 percentiles", f"{STATISTICS}?{'p=5&' * 15}p=5", f"{STATISTICS}?{'p=5&' * 16}p=5", 400, "limit.p"),
    ("L25 datetime", f"{TILE}?datetime=0001-01-01", f"{TILE}?datetime=0000-01-01", 400, "limit.datetime"),
    ("L26 id", f"/data/{LONG_ID}/b/1/c.tif", f"/data/{TOO_LONG_ID}/b/1/c.tif", 400, COLLECTION),
    ("L26 dots", "/data/a.b/c/1/d.tif", "/data/a..b/c/1/d.tif", 400, COLLECTION),
]  # fmt: skip

POSTS = [
    ("L02 body", "feature", polygon(1000), polygon(60_000), 413, None),
    ("L10 vertices", "feature/9x9.png", polygon(10_000), polygon(10_001), 400, "limit.geometry"),
    ("L10 rings", "feature/9x9.png", polygon(), polygon(rings=101), 400, "limit.geometry"),
    ("L10 type", "feature/9x9.png", polygon(), POINT, 400, "limit.geometry"),
    ("L10 earth", "feature/9x9.png", polygon(), polygon(west=190), 400, "limit.geometry"),
    ("L10 features", "statistics?max_size=16", features(50), features(51), 400, "limit.features"),
    ("L11 cover scale", "statistics?max_size=16&cover_scale=10", polygon(), None, 400, "limit.cover_scale"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("allowed", "refused", "status", "code"), [row[1:] for row in GETS], ids=[row[0] for row in GETS]
)
def test_a_value_at_the_bound_is_taken_and_one_beyond_refused(node, allowed, refused, status, code):
    inside, outside = node.get(allowed), node.get(refused)
    problem = outside.json()
    assert (outside.status_code, outside.headers["content-type"]) == (status, "application/problem+json")
    assert code is None or problem["code"] == code
    assert inside.status_code < 500
    assert inside.status_code != status or inside.json()["code"] != problem["code"]


@pytest.mark.parametrize(
    ("path", "allowed", "refused", "status", "code"), [row[1:] for row in POSTS], ids=[row[0] for row in POSTS]
)
def test_a_body_at_the_bound_is_taken_and_one_beyond_refused(node, path, allowed, refused, status, code):
    assert node.get(f"{ITEM}/{path}", "POST", json=allowed).status_code == 200
    outside = (
        node.get(f"{ITEM}/{path}", "POST", json=refused)
        if refused
        else node.get(f"{ITEM}/{path.replace('cover_scale=10', 'cover_scale=11')}", "POST", json=allowed)
    )
    assert outside.status_code == status
    assert code is None or outside.json()["code"] == code


def test_headers_beyond_their_size_are_refused(node):
    assert node.get(TILE, headers={"X-Long": "x" * 15_000}).status_code == 200
    assert node.get(TILE, headers={"X-Long": "x" * 17_000}).status_code == 431


def test_more_than_64_parameters_are_refused(node):
    answer = node.get(f"{TILE}?{'&'.join(f'bidx={n}' for n in range(65))}")
    assert (answer.status_code, answer.json()["code"]) == (400, "limit.parameters")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"type":"Feature"}', b"[" * 5000, b'{"a":1,"a":2}', b"NaN"]
)
def test_a_body_that_is_no_feature_is_refused(node, body):
    answer = node.get(f"{ITEM}/feature", "POST", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
