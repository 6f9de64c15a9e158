"""`_rpc.txt` files: the camera model of one image, one `KEY: value` a line, as LASAC writes it.

The keys are those of GDAL's and of many agencies' text RPC (`LINE_OFF`, `LINE_NUM_COEFF_1` …); a value may carry the
word of its unit behind it. Limits: L30.
"""

import math
import re
from pathlib import Path

from cog_builder.errors import BadMetadataError
from cog_builder.rpc import Rpc

MAX_BYTES = 64 * 1024
_NUMBERS = {
    "LINE_OFF": ("line_offset", -400_000.0, 400_000.0),
    "SAMP_OFF": ("sample_offset", -400_000.0, 400_000.0),
    "LAT_OFF": ("latitude_offset", -90.0, 90.0),
    "LONG_OFF": ("longitude_offset", -180.0, 180.0),
    "HEIGHT_OFF": ("height_offset_m", -12_000.0, 12_000.0),
    "LINE_SCALE": ("line_scale", 1.0, 400_000.0),
    "SAMP_SCALE": ("sample_scale", 1.0, 400_000.0),
    "LAT_SCALE": ("latitude_scale", 1e-6, 90.0),
    "LONG_SCALE": ("longitude_scale", 1e-6, 180.0),
    "HEIGHT_SCALE": ("height_scale_m", 1e-3, 20_000.0),
}
"""Key → (field of Rpc, least and greatest plausible value)."""
_LISTS = {
    "LINE_NUM_COEFF": "line_numerator",
    "LINE_DEN_COEFF": "line_denominator",
    "SAMP_NUM_COEFF": "sample_numerator",
    "SAMP_DEN_COEFF": "sample_denominator",
}
_COEFFICIENTS = 20
_LINE_CHARACTERS = 200
"""More than any line has; the pattern takes the square of it."""
_LINE = re.compile(r"^\s*(?P<key>[A-Za-z_]+(?:_\d{1,2})?)\s*[:=]\s*(?P<value>[-+.\dEe]+)\s*[A-Za-z]*\s*$")


def read_rpc_text(path: Path) -> Rpc:
    """The model, checked as `read_rpb` checks it; keys that say nothing of the geometry (`ERR_BIAS`) are passed over.

    Raises:
        BadMetadataError: A key is missing, repeated or implausible; the message names file and key.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise BadMetadataError(f"{path.name}: {size} bytes, expected RPC text of at most {MAX_BYTES}")
    values = _values(path)
    expected = [*_NUMBERS, *(f"{key}_{index + 1}" for key in _LISTS for index in range(_COEFFICIENTS))]
    if missing := [key for key in expected if key not in values]:
        raise BadMetadataError(f"{path.name}: {', '.join(missing[:4])} missing, expected whole RPC text")
    fields: dict[str, float | tuple[float, ...]] = {}
    for key, (field, least, greatest) in _NUMBERS.items():
        if not least <= values[key] <= greatest:
            raise BadMetadataError(f"{path.name}: {key} is {values[key]:g}, expected {least:g} to {greatest:g}")
        fields[field] = values[key]
    for key, field in _LISTS.items():
        coefficients = tuple(values[f"{key}_{index + 1}"] for index in range(_COEFFICIENTS))
        fields[field] = coefficients
        if field.endswith("denominator") and not any(coefficients):
            raise BadMetadataError(f"{path.name}: {key} is all zero, expected a denominator")
    return Rpc(**fields)  # type: ignore[arg-type]  # numbers and lists have their own keys


def _values(path: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in path.read_bytes().decode("ascii", "replace").splitlines():
        match = _LINE.match(line[:_LINE_CHARACTERS])
        if match is None:
            continue
        key, text = match["key"].upper(), match["value"]
        if key in found:
            raise BadMetadataError(f"{path.name}: {key} is there twice, expected once")
        try:
            found[key] = float(text)
        except ValueError as error:
            raise BadMetadataError(f"{path.name}: {key} is {text[:40]}, expected a number") from error
        if not math.isfinite(found[key]):
            raise BadMetadataError(f"{path.name}: {key} is {text[:40]}, expected a finite number")
    return found
