"""Rows of `collections.toml` → STAC Collection documents."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from catalog.asset_key import ANALYTIC, SHARP, VISUAL, VISUAL_C
from catalog.item import STAC_VERSION
from catalog.language import TRANSLATIONS

_EXTENSIONS = ("eo/v2.0.0", "raster/v2.0.0", "render/v2.0.0")
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_VALUES = {"data_type": "uint16", "nodata": 0, "raster:scale": 0.0001, "raster:offset": 0}
_STEPS_PER_REFLECTANCE = 10_000
_FALSE_COLOUR = "false-colour"
_FALSE_COLOUR_BANDS = ("nir", "red", "green")

Document = dict[str, Any]


@cache
def collection_rows() -> Mapping[str, Document]:
    """Rows by collection id, in the order of ids."""
    return {row["id"]: row for row in sorted(_table()["collection"], key=lambda row: str(row["id"]))}


@cache
def packaged_document(collection: str) -> Document:
    """The Collection document of a row; shared, so not to be changed."""
    row, table = collection_rows()[collection], _table()
    bands, stretch = table["bands"][row["bands"]], table["stretches"][row["stretch"]]
    three = len(row["visual"]) == 3
    texts = _texts(row)
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": [f"https://stac-extensions.github.io/{name}/schema.json" for name in _EXTENSIONS],
        "id": collection,
        "title": row["title"],
        "description": "\n\n".join(text["description"] for text in texts.values()),
        TRANSLATIONS: texts,
        "keywords": [*row["satellite"], *row["instruments"], "reflectance", "orthorectified"],
        "license": "other",
        "providers": [{**table["providers"][row["provider"]], "roles": ["producer", "licensor"]}],
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [[f"{row['start']}T00:00:00Z", None]]},
        },
        "summaries": {
            "platform": row["platforms"],
            "constellation": [row["constellation"]],
            "instruments": row["instruments"],
            "gsd": sorted([*row["gsd_m"], *([row["sharp_gsd_m"]] if "sharp_gsd_m" in row else [])]),
            "processing:level": row["levels"],
        },
        "item_assets": _item_assets(row, bands, stretch["picture"]),
        "renders": _renders(row, bands, stretch, table["stretches"][_FALSE_COLOUR]),
        "imagery_node:stretch": {
            "bands": row["visual"] if three else row["visual"] * 3,
            "low": stretch["low"] if three else stretch["low"] * 3,
            "high": stretch["high"] if three else stretch["high"] * 3,
            "gamma": stretch["gamma"],
        },
        "links": [],
    }


@cache
def _table() -> Document:
    return tomllib.loads((files("catalog") / "collections.toml").read_text(encoding="utf-8"))


def _texts(row: Document) -> dict[str, dict[str, str]]:
    zh, en = row["title"].split(" · ")
    return {
        "zh": {"title": zh, "description": f"{row['zh']}，经辐射定标与正射校正。"},
        "en": {"title": en, "description": f"{row['en']}; calibrated and orthorectified."},
    }


def _item_assets(row: Document, bands: list[list[Any]], picture: str) -> Document:
    reflectance = {
        "title": "大气层顶反射率 · Top-of-atmosphere reflectance",
        "description": "Orthorectified; reflectance = value × 0.0001; 0 is nodata",
        "type": _COG,
        "roles": ["data", "reflectance"],
        "bands": [
            {"name": name, "eo:common_name": common, "eo:center_wavelength": center, "eo:full_width_half_max": width}
            | _VALUES
            for name, common, center, width in bands
        ],
    }
    gsd = {"gsd": row["gsd_m"][0]} if len(row["gsd_m"]) == 1 else {}
    sharp = {
        "title": "全色融合反射率 · Pan-sharpened reflectance",
        "description": "As analytic, with the detail of the panchromatic band",
        "gsd": row.get("sharp_gsd_m"),
    }
    return {
        VISUAL: {
            "title": picture,
            "description": "8-bit, with the stretch of this collection, in Web Mercator, each block one map tile",
            "type": _COG,
            "roles": ["visual"],
        },
        VISUAL_C: {
            "title": f"{picture} (c)",
            "description": "The same in EPSG:4490, each block one tile of the national grid c; only where it was built",
            "type": _COG,
            "roles": ["visual"],
        },
        ANALYTIC: reflectance | gsd,
        **({SHARP: reflectance | sharp} if "sharp_gsd_m" in row else {}),
        "quality": {
            "title": "质量标记 · Quality flags",
            "description": "Bits: 1 fill, 2 saturated, 4 cloud, 8 cloud shadow (low confidence); same grid as analytic",
            "type": _COG,
            "roles": ["data", "data-mask"],
        }
        | gsd,
        "thumbnail": {"title": "缩略图 · Thumbnail", "type": "image/webp", "roles": ["thumbnail"]},
        **_side_files(row),
    }


def _side_files(row: Document) -> Document:
    images = [("", "产品", "Product"), ("-pan", "全色产品", "Panchromatic product")]
    return {
        key + suffix: {"title": title, "type": media_type, "roles": ["metadata"]}
        for suffix, zh, en in images[: 1 + ("sharp_gsd_m" in row)]
        for key, title, media_type in (
            ("metadata", f"{zh}元数据 · {en} metadata as delivered", "application/xml"),
            ("rpc", f"{zh}有理多项式系数 · {en} rational polynomial coefficients as delivered", "text/plain"),
        )
        if key != "rpc" or row.get("rpc", True)
    }


def _renders(row: Document, bands: list[list[Any]], stretch: Document, false_colour: Document) -> Document:
    """`visual`, `natural`, `false-colour` where there is a near infrared that those do not show, and band indexes."""
    by_common_name = {common: name for name, common, *_ in reversed(bands)}
    renders = {
        VISUAL: {"title": stretch["title"], "assets": [VISUAL]},
        "natural": _render(stretch["natural"], row["visual"], stretch, bands),
    }
    if row["stretch"] != _FALSE_COLOUR and by_common_name.keys() >= set(_FALSE_COLOUR_BANDS):
        shown = [by_common_name[common] for common in _FALSE_COLOUR_BANDS]
        renders[_FALSE_COLOUR] = _render(false_colour["title"], shown, false_colour, bands)
    for index in _table()["index"]:
        if by_common_name.keys() >= set(index["bands"]):
            one, other = (by_common_name[common] for common in index["bands"])
            renders[index["name"]] = {
                "title": index["title"],
                "assets": [ANALYTIC],
                "expression": f"({one}-{other})/({one}+{other})",
                "rescale": [index["shown"]],
                "colormap_name": index["colormap"],
                "resampling": "bilinear",
            }
    return renders


def _render(title: str, shown: list[str], stretch: Document, bands: list[list[Any]]) -> Document:
    names = [name for name, *_ in bands]
    return {
        "title": title,
        "assets": [ANALYTIC],
        "bidx": [names.index(name) + 1 for name in shown],
        "rescale": [
            [round(value * _STEPS_PER_REFLECTANCE) for value in pair]
            for pair in zip(stretch["low"], stretch["high"], strict=True)
        ],
        "color_formula": f"gamma rgb {stretch['gamma']:g}",
        "resampling": "bilinear",
    }
