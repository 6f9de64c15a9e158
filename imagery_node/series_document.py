"""A time series as clients read it: JSON or CSV, written date by date."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import orjson

from imagery_node.series import BandStatistics, DateStatistics

JSON, CSV = "application/json", "text/csv"

_STATISTICS = ("count", "mean", "median", "min", "max", "std")
_COLUMNS = ("date", "band", *_STATISTICS, "area_pixels", "valid_pixels", "clear_pixels", "clear_percent", "items")


def write_json(head: dict[str, Any], rows: Iterator[DateStatistics]) -> Iterator[bytes]:
    """One object: the members of `head`, then `dates`, one to a line."""
    between = orjson.dumps(head)[:-1] + b',"dates":[\n'
    for row in rows:
        yield between + orjson.dumps(_document(row))
        between = b",\n"
    yield b"\n]}\n" if between == b",\n" else between + b"]}\n"


def write_csv(rows: Iterator[DateStatistics]) -> Iterator[bytes]:
    """A table with a line for each band of each date; items are separated by blanks."""
    yield _line(_COLUMNS)
    for row in rows:
        around = _document(row)
        last = [around[name] for name in _COLUMNS[8:-1]]
        yield b"".join(
            _line([around["date"], band, *_values(statistics), *last, " ".join(row.items)])
            for band, statistics in row.bands.items()
        )


def _document(row: DateStatistics) -> dict[str, Any]:
    return {
        "date": row.date.isoformat(),
        "items": row.items,
        "crs": row.crs,
        "pixel": row.pixel,
        "area_pixels": row.area_pixels,
        "valid_pixels": row.valid_pixels,
        "clear_pixels": row.clear_pixels,
        "clear_percent": round(100 * row.clear_pixels / row.valid_pixels, 2) if row.valid_pixels else None,
        "bands": {
            band: dict(zip(_STATISTICS, _values(statistics), strict=True)) if statistics else None
            for band, statistics in row.bands.items()
        },
        "left_out": row.left_out,
    }


def _values(statistics: BandStatistics | None) -> Iterable[float | None]:
    return asdict(statistics).values() if statistics else [None] * len(_STATISTICS)


def _line(cells: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()
