"""RPB files: the camera model of one image, as the agency writes it.

The layout is that of DigitalGlobe's Image Support Data (RPB). The agency's `SpecId` is `XXX`, the coefficient order is
nevertheless RPC00B, and the last coefficient of a list is closed by `);` on its own line. Limits: L30.
"""

import math
import re
from pathlib import Path

from cog_builder.errors import BadMetadataError
from cog_builder.rpc import Rpc

MAX_BYTES = 64 * 1024
_COEFFICIENTS = 20
_WORDS = ("satId", "bandId", "SpecId")
_LISTS = {
    "lineNumCoef": "line_numerator",
    "lineDenCoef": "line_denominator",
    "sampNumCoef": "sample_numerator",
    "sampDenCoef": "sample_denominator",
}
_NUMBERS = {
    "errBias": (None, -1e6, 1e6),
    "errRand": (None, -1e6, 1e6),
    "lineOffset": ("line_offset", -400_000.0, 400_000.0),
    "sampOffset": ("sample_offset", -400_000.0, 400_000.0),
    "latOffset": ("latitude_offset", -90.0, 90.0),
    "longOffset": ("longitude_offset", -180.0, 180.0),
    "heightOffset": ("height_offset_m", -12_000.0, 12_000.0),
    "lineScale": ("line_scale", 1.0, 400_000.0),
    "sampScale": ("sample_scale", 1.0, 400_000.0),
    "latScale": ("latitude_scale", 1e-6, 90.0),
    "longScale": ("longitude_scale", 1e-6, 180.0),
    "heightScale": ("height_scale_m", 1e-3, 20_000.0),
}
"""Key → (field of Rpc, least and greatest plausible value)."""
_GROUP_LINE = re.compile(r"^[ \t]*(BEGIN|END)_GROUP[ \t]*=[ \t]*\w+[ \t]*$", re.M)


def read_rpb(path: Path) -> Rpc:
    """The model, checked: exactly the known keys, 4 × 20 finite coefficients, plausible offsets, positive scales.

    Raises:
        BadMetadataError: A key is missing, unknown, repeated or implausible; the message names file and key.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise BadMetadataError(f"{path.name}: {size} bytes, expected an RPB of at most {MAX_BYTES}")
    statements = _statements(path)
    expected = {*_WORDS, *_NUMBERS, *_LISTS}
    if missing := expected - statements.keys():
        raise BadMetadataError(f"{path.name}: {', '.join(sorted(missing))} missing, expected a whole RPB")
    if unknown := statements.keys() - expected:
        raise BadMetadataError(f"{path.name}: unknown key {min(unknown)[:40]!a}, expected the keys of an RPB only")
    fields: dict[str, float] = {}
    for key, (field, least, greatest) in _NUMBERS.items():
        value = _number(statements[key], key, path)
        if not least <= value <= greatest:
            raise BadMetadataError(f"{path.name}: {key} is {value:g}, expected {least:g} to {greatest:g}")
        if field:
            fields[field] = value
    lists = {field: _coefficients(statements[key], key, path) for key, field in _LISTS.items()}
    return Rpc(**fields, **lists)  # type: ignore[arg-type]  # the table pairs every field with its type


def _statements(path: Path) -> dict[str, str]:
    try:
        text = path.read_bytes().decode("ascii")
    except UnicodeDecodeError as error:
        raise BadMetadataError(f"{path.name}: not ASCII text, expected an RPB") from error
    *parts, end, rest = ["", *_GROUP_LINE.sub("", text).split(";")]
    if end.strip() != "END" or rest.strip():
        raise BadMetadataError(f"{path.name}: does not close with 'END;', expected a whole RPB; it may be cut short")
    statements: dict[str, str] = {}
    for part in parts[1:]:
        key, separator, value = (piece.strip() for piece in part.partition("="))
        if not separator or key in statements:
            raise BadMetadataError(f"{path.name}: {key[:40]!a} is repeated or has no value, expected 'key = value;'")
        statements[key] = value
    return statements


def _coefficients(text: str, key: str, path: Path) -> tuple[float, ...]:
    inner = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    values = tuple(_number(part.strip(), key, path) for part in inner.split(","))
    if len(values) != _COEFFICIENTS:
        raise BadMetadataError(f"{path.name}: {key} has {len(values)} coefficients, expected {_COEFFICIENTS}")
    if "Den" in key and values[0] == 0:
        raise BadMetadataError(f"{path.name}: {key} begins with 0, expected a denominator that is 1 at the centre")
    return values


def _number(text: str, key: str, path: Path) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadMetadataError(f"{path.name}: {key} holds {text[:40]!a}, expected a finite number")
    return value
