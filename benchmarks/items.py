"""A national archive without pixels: Items as the builder writes them, over China and ten years, as lines of JSON.

    python -m benchmarks.items 1000000 ITEMS.ndjson [--seed 1] [--href-root https://archive.example.org/scenes]

Six cameras pass over in the morning from north to south; a pass is a row of scenes along its track, each a turned
square as wide as the swath; a third of the passes go over cities. Cloud has the usual two humps, clear and overcast.
The Collections come first. The same numbers give the same file, and a shorter archive is the head of a longer one.
`catalog load` takes it with CATALOG_REMOTE_STORES set to the href root.
"""

import argparse
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from catalog.collection import collection_document

HREF_ROOT = "https://archive.example.org/scenes"
FIRST_DAY = datetime(2014, 1, 1, tzinfo=UTC)
DAYS = 3652
WEST, SOUTH, EAST, NORTH = 74.0, 18.5, 134.5, 53.0

_PASSES = 1000
"""So many are drawn at a time."""
_SCENES = 6
"""Of a pass."""
_PER_CITY = 0.35
_CITIES = np.array([(116.4, 39.9), (121.5, 31.2), (113.3, 23.1), (104.1, 30.7), (114.3, 30.6), (108.9, 34.3)])
_KM = 111.2
"""Of a degree of latitude."""
_OVERLAP = 0.08
_SECONDS_PER_KM = 1 / 6.8


class Camera(NamedTuple):
    """One collection of the archive."""

    collection: str
    satellites: tuple[tuple[str, str], ...]
    """How a delivery calls the satellite, and its platform."""
    sensors: tuple[str, ...]
    gsd_m: float
    swath_km: float
    share: float
    """Of the passes."""


CAMERAS = (
    Camera("gf1-pms", (("GF1", "gaofen-1"),), ("PMS1", "PMS2"), 2.0, 35.0, 0.2),
    Camera("gf1-wfv", (("GF1", "gaofen-1"),), ("WFV1", "WFV2", "WFV3", "WFV4"), 16.0, 200.0, 0.14),
    Camera("gf2-pms", (("GF2", "gaofen-2"),), ("PMS1", "PMS2"), 0.8, 23.0, 0.2),
    Camera("gf6-pms", (("GF6", "gaofen-6"),), ("PMS",), 2.0, 90.0, 0.15),
    Camera("zy3-mux", (("ZY301", "ziyuan-3-01"), ("ZY302", "ziyuan-3-02")), ("MUX",), 5.8, 51.0, 0.18),
    Camera("hj2a-ccd", (("HJ2A", "huanjing-2a"),), ("CCD1", "CCD2", "CCD3", "CCD4"), 16.0, 200.0, 0.13),
)
_EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("eo/v2.0.0", "processing/v1.2.0", "projection/v2.0.0", "sat/v1.2.0", "view/v1.1.0")
]
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_BANDS = [
    {"name": f"B{number}", "eo:common_name": name} for number, name in enumerate(("blue", "green", "red", "nir"), 1)
]


def items(count: int, *, seed: int = 1, href_root: str = HREF_ROOT) -> Iterator[dict[str, Any]]:
    """The first `count` Items of the archive."""
    drawn = (_scenes(np.random.default_rng((seed, block))) for block in itertools.count())
    for number, scene in enumerate(itertools.islice(itertools.chain.from_iterable(drawn), count)):
        yield _item(number, scene, href_root)


def collections() -> list[dict[str, Any]]:
    """The Collections of the archive."""
    return [collection_document(camera.collection) for camera in CAMERAS]


def write_archive(path: Path, count: int, *, seed: int = 1, href_root: str = HREF_ROOT) -> None:
    """All of it as lines of a file."""
    with path.open("wb") as file:
        for document in itertools.chain(collections(), items(count, seed=seed, href_root=href_root)):
            file.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))


class _Scene(NamedTuple):
    camera: int
    choice: float
    """From 0 to 1; says which satellite and sensor it was."""
    seconds: float
    """Since the first day."""
    lon: float
    lat: float
    ring: list[list[float]]
    cloud: float
    off_nadir: float
    sun_elevation: float


def _scenes(random: np.random.Generator) -> list[_Scene]:
    """Scenes of some passes, in the order of passes."""
    camera = random.choice(len(CAMERAS), _PASSES, p=[camera.share for camera in CAMERAS])
    lon, lat = random.uniform(WEST, EAST, _PASSES), random.uniform(SOUTH, NORTH, _PASSES)
    city = random.random(_PASSES) < _PER_CITY
    lon[city], lat[city] = (
        _CITIES[random.integers(len(_CITIES), size=city.sum())] + random.normal(0, 1.4, (city.sum(), 2))
    ).T
    heading = np.radians(random.uniform(9, 13, _PASSES))
    day = random.integers(0, DAYS, _PASSES)
    overpass = (10.5 - lon / 15) * 3600 + random.normal(0, 700, _PASSES)  # half past ten by the sun
    choice = random.random(_PASSES)

    of_pass = np.repeat(np.arange(_PASSES), _SCENES)
    swath_km = np.array([camera.swath_km for camera in CAMERAS])[camera[of_pass]]
    along_km = np.tile(np.arange(_SCENES), _PASSES) * swath_km * (1 - _OVERLAP)
    turned = heading[of_pass]
    centre_lat = lat[of_pass] - along_km * np.cos(turned) / _KM
    centre_lon = lon[of_pass] - along_km * np.sin(turned) / (_KM * np.cos(np.radians(centre_lat)))
    rings = _rings(centre_lon, centre_lat, swath_km / 2, turned)
    overcast = random.random(len(of_pass)) < 0.4
    cloud = np.where(overcast, 100 - 100 * random.beta(0.6, 1.5, len(of_pass)), 100 * random.beta(0.5, 3, len(of_pass)))
    columns = (
        camera[of_pass],
        choice[of_pass],
        day[of_pass] * 86_400.0 + overpass[of_pass] + along_km * _SECONDS_PER_KM,
        centre_lon,
        centre_lat,
        rings,
        cloud.round(1),
        random.uniform(0, 25, len(of_pass)).round(2),
        random.uniform(25, 70, len(of_pass)).round(2),
    )
    return [_Scene(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]


def _rings(
    lon: NDArray[np.float64], lat: NDArray[np.float64], half_km: NDArray[np.float64], turned: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Corners (scene, corner, lon and lat) of squares around centres, counter-clockwise and closed."""
    corners = []
    for right, up in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)):
        east_km = half_km * (right * np.cos(turned) + up * np.sin(turned))
        north_km = half_km * (up * np.cos(turned) - right * np.sin(turned))
        corners.append((lon + east_km / (_KM * np.cos(np.radians(lat))), lat + north_km / _KM))
    return np.moveaxis(np.array(corners), 2, 0).round(6)


def _item(number: int, scene: _Scene, href_root: str) -> dict[str, Any]:
    camera = CAMERAS[scene.camera]
    satellite, platform = camera.satellites[int(scene.choice * len(camera.satellites))]
    sensor = camera.sensors[int(scene.choice * 7919) % len(camera.sensors)]
    when = FIRST_DAY + timedelta(seconds=int(scene.seconds))
    built = f"{when + timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}"
    serial = 1_000_000 + number
    item_id = f"{satellite}_{sensor}_{when:%Y%m%dT%H%M%S}_L1A{serial}"
    lons, lats = zip(*scene.ring, strict=True)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": _EXTENSIONS,
        "id": item_id,
        "collection": camera.collection,
        "geometry": {"type": "Polygon", "coordinates": [scene.ring]},
        "bbox": [min(lons), min(lats), max(lons), max(lats)],
        "properties": {
            "title": f"{satellite}_{sensor}_E{scene.lon:.1f}_N{scene.lat:.1f}_{when:%Y%m%d}_L1A{serial:010d}",
            "datetime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
            "created": built,
            "updated": built,
            "platform": platform,
            "constellation": platform.partition("-")[0],
            "instruments": [sensor.lower()],
            "gsd": camera.gsd_m,
            "license": "other",
            "eo:cloud_cover": scene.cloud,
            "sat:absolute_orbit": 5000 + int(scene.seconds / 5900),
            "view:off_nadir": scene.off_nadir,
            "view:sun_elevation": scene.sun_elevation,
            "proj:code": f"EPSG:{4534 + min(20, max(0, round((scene.lon - 75) / 3)))}",
            "processing:level": "L1A",
            "processing:software": {"imagery-node": "0.1.0"},
        },
        "links": [],
        "assets": _assets(camera, f"{href_root}/{camera.collection}/{when:%Y/%m}/{item_id}"),
    }


def _assets(camera: Camera, folder: str) -> dict[str, Any]:
    pixels = int(1000 * camera.swath_km / camera.gsd_m)
    return {
        "visual": {
            "href": f"{folder}/visual.tif",
            "type": _COG,
            "title": "Picture",
            "roles": ["visual", "overview"],
            "gsd": camera.gsd_m,
            "proj:code": "EPSG:3857",
        },
        "analytic": {
            "href": f"{folder}/analytic.tif",
            "type": _COG,
            "title": "Top-of-atmosphere reflectance",
            "roles": ["data", "reflectance"],
            "gsd": camera.gsd_m,
            "proj:shape": [pixels, pixels],
            "bands": _BANDS,
        },
        "quality": {
            "href": f"{folder}/quality.tif",
            "type": _COG,
            "title": "Bit flags: 1 fill, 2 saturated, 4 cloud",
            "roles": ["data-mask", "cloud", "saturation"],
        },
        "thumbnail": {"href": f"{folder}/thumbnail.webp", "type": "image/webp", "roles": ["thumbnail"]},
    }


def main() -> None:
    """Write an archive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--href-root", default=HREF_ROOT)
    options = parser.parse_args()
    write_archive(options.file, options.count, seed=options.seed, href_root=options.href_root)


if __name__ == "__main__":
    main()
