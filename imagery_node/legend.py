"""Legends: what the colours of a named rendering stand for, as JSON and as a small picture."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imagery_node.colormap import Colour, colour_table
from imagery_node.rendering import Rendering

Document = dict[str, Any]

_COLOURS = ("red", "green", "blue")
_STOPS = 11
_MOST_TICKS = 7
_DARKEST, _BRIGHTEST = 0.0, 255.0

_WIDTH_PX, _MARGIN_PX, _LINE_PX, _BAR_PX = 320, 10, 18, 16
_FONT_PX = 12
_PAPER, _INK = (255, 255, 255), (32, 32, 32)


def legend_document(name: str, render: Mapping[str, Any], rendering: Rendering, collection: Document) -> Document:
    """What the colours of a rendering stand for.

    `kind` is `ramp` (values between `minimum` and `maximum`, with colours at `stops` and `ticks` to write beside them),
    `classes` (intervals, low included, high not) or `bands` (what is shown as red, green and blue, or as grey).

    Args:
        name: Of the rendering.
        render: Its document.
        rendering: The same, read.
        collection: The document of its collection.
    """
    title = str(render.get("title") or name)
    zh, between, en = title.partition(" · ")
    asset = collection.get("item_assets", {}).get(rendering.asset, {})
    bands = _shown_bands(rendering, asset, collection)
    return {
        "render": name,
        "title": title,
        "titles": {"zh": zh, "en": en} if between else {},
        "collection": collection["id"],
        "asset": rendering.asset,
        **_meaning(rendering, asset, bands),
    }


def draw_legend(legend: Document) -> bytes:
    """A legend as PNG, in English; Chinese titles are for clients, which have the letters."""
    lines: list[tuple[Colour, str]] = []
    if legend["kind"] == "classes":
        lines = [(_rgb(each["color"]), f"{_text(each['low'])} – {_text(each['high'])}") for each in legend["classes"]]
    elif legend["kind"] == "bands":
        lines = [(_swatch(band["color"]), _band_text(band)) for band in legend["bands"]]
    below = len(lines) * _LINE_PX if lines else _BAR_PX + _LINE_PX
    picture = Image.new("RGB", (_WIDTH_PX, 2 * _MARGIN_PX + _LINE_PX + below), _PAPER)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(_FONT_PX)
    title = next((text for text in (legend["titles"].get("en"), legend["title"]) if text and _is_drawn(text)), None)
    unit = f" ({legend['unit']})" if legend.get("unit") else ""
    draw.text((_MARGIN_PX, _MARGIN_PX), f"{title or legend['render']}{unit}", _INK, font)
    top = _MARGIN_PX + _LINE_PX
    for number, (colour, text) in enumerate(lines):
        y = top + number * _LINE_PX
        draw.rectangle((_MARGIN_PX, y, _MARGIN_PX + _BAR_PX, y + _LINE_PX - 4), colour, _INK)
        draw.text((_MARGIN_PX + 2 * _BAR_PX, y), text if _is_drawn(text) else "?", _INK, font)
    if not lines:
        _draw_ramp(picture, legend, top)
    body = io.BytesIO()
    picture.save(body, "PNG", optimize=True)
    return body.getvalue()


def _meaning(rendering: Rendering, asset: Document, bands: list[Document]) -> Document:
    if rendering.classes:
        classes = [{"low": low, "high": high, "color": _hex(colour)} for low, high, colour in rendering.classes]
        return {"kind": "classes", "classes": classes}
    scale, unit = (1.0, None) if rendering.expression else _unit(asset)
    pairs = [
        (_rounded(low * scale), _rounded(high * scale)) for low, high in rendering.rescale or ((_DARKEST, _BRIGHTEST),)
    ]
    if len(bands) == 1 and (rendering.rescale or rendering.colormap):
        return {"kind": "ramp", "unit": unit, **_ramp(rendering, *pairs[0])}
    colours = _COLOURS if len(bands) > 1 else ("grey",)
    if rendering.rescale:
        spread = pairs * len(bands) if len(pairs) == 1 else pairs
        bands = [{**band, "minimum": low, "maximum": high} for band, (low, high) in zip(bands, spread, strict=False)]
    return {
        "kind": "bands",
        "unit": unit if rendering.rescale else None,
        "bands": [{"color": colour, **band} for colour, band in zip(colours, bands, strict=False)],
    }


def _shown_bands(rendering: Rendering, asset: Document, collection: Document) -> list[Document]:
    """Name and meaning of what is shown, as far as the collection tells."""
    if rendering.expression:
        return [{"name": block.strip()} for block in rendering.expression.split(";")]
    described = [_band(band) for band in asset.get("bands", ())]
    if rendering.indexes:
        unknown: Document = {}
        known = [described[i - 1] if i <= len(described) else unknown for i in rendering.indexes]
        return [band or {"name": f"b{index}"} for band, index in zip(known, rendering.indexes, strict=True)]
    if described:
        return described[:3] if len(described) >= len(_COLOURS) and not rendering.has_colormap else described[:1]
    names = collection.get("imagery_node:stretch", {}).get("bands", _COLOURS)  # of a picture: what it was made of
    all_bands = [_band(band) for each in collection.get("item_assets", {}).values() for band in each.get("bands", ())]
    return [
        next((band for band in all_bands if band["name"] == name), {"name": name})
        for name in (names if len(set(names)) > 1 else names[:1])
    ]


def _band(band: Document) -> Document:
    common = band.get("eo:common_name")
    return {"name": str(band.get("name", "")), **({"common_name": common} if common else {})}


def _unit(asset: Document) -> tuple[float, str | None]:
    """By how much stored values are multiplied, and what they are then."""
    scale = next((float(band["raster:scale"]) for band in asset.get("bands", ()) if "raster:scale" in band), 1.0)
    return scale, "reflectance" if "reflectance" in asset.get("roles", ()) else None


def _ramp(rendering: Rendering, low: float, high: float) -> Document:
    """Ends, colours and ticks of a stretch."""
    shares = np.linspace(0, 1, _STOPS)
    indexes = np.rint(255 * shares ** (1 / (rendering.gamma or 1))).astype(int)
    table = colour_table(rendering.colormap)[:, 0] if rendering.colormap else np.arange(256)[:, None].repeat(3, axis=1)
    return {
        "minimum": low,
        "maximum": high,
        "ticks": _ticks(low, high),
        "stops": [
            {"value": _rounded(low + share * (high - low)), "color": _hex(table[index].tolist())}
            for share, index in zip(shares, indexes, strict=True)
        ],
    }


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two ends, at most seven."""
    power = 10 ** math.floor(math.log10((high - low) / _MOST_TICKS))
    step = next(factor * power for factor in (1, 2, 5, 10, 20) if (high - low) / (factor * power) <= _MOST_TICKS - 1)
    return [
        _rounded(number * step) for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def _draw_ramp(picture: Image.Image, legend: Document, top: int) -> None:
    """The colours from left to right, with the ticks below."""
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(_FONT_PX)
    low, high, width = legend["minimum"], legend["maximum"], _WIDTH_PX - 2 * _MARGIN_PX
    stops = np.array([_rgb(stop["color"]) for stop in legend["stops"]], np.float64)
    at = np.linspace(0, len(stops) - 1, width)
    row = np.stack([np.interp(at, np.arange(len(stops)), stops[:, band]) for band in range(3)], axis=-1)
    bar = np.rint(row).astype(np.uint8)[None].repeat(_BAR_PX, axis=0)
    picture.paste(Image.fromarray(bar), (_MARGIN_PX, top))
    draw.rectangle((_MARGIN_PX, top, _MARGIN_PX + width, top + _BAR_PX), None, _INK)
    for tick in legend["ticks"]:
        x, text = _MARGIN_PX + width * (tick - low) / (high - low), _text(tick)
        draw.line((x, top + _BAR_PX, x, top + _BAR_PX + 3), _INK)
        half = draw.textlength(text, font) / 2
        draw.text((min(max(x, _MARGIN_PX + half), _WIDTH_PX - half) - half, top + _BAR_PX + 3), text, _INK, font)


def _band_text(band: Document) -> str:
    words = [band["name"], band.get("common_name", "")]
    if "minimum" in band:
        words.append(f"{_text(band['minimum'])} … {_text(band['maximum'])}")
    return "  ".join(filter(None, words))


def _swatch(colour: str) -> Colour:
    return {"red": (220, 40, 40), "green": (40, 170, 60), "blue": (50, 80, 220)}.get(colour, (128, 128, 128))


def _is_drawn(text: str) -> bool:
    """Whether Pillow's own font has the letters."""
    return all(letter.isascii() or letter in "…·°" for letter in text)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _text(value: float) -> str:
    return f"{value:.4g}"


def _hex(colour: Sequence[int]) -> str:
    return "#" + bytes(colour).hex()


def _rgb(text: str) -> Colour:
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue
