"""stac-geoparquet: the catalogue as one table that data tools read. Needs the extra `[geoparquet]`.

Source: stac-geoparquet specification 1.1; the Collections stand in the file's metadata.
"""

import contextlib
import tempfile
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from catalog.errors import InvalidItemError, UnusableStoreError
from catalog.timestamp import format_datetime, parse_datetime

SUFFIXES = frozenset({".parquet", ".geoparquet"})

_METADATA = b"stac-geoparquet"
_BATCH = 1000


def write_geoparquet(documents: Iterable[dict[str, Any]], path: Path) -> None:
    """Write Collections and Items.

    Raises:
        InvalidItemError: A property has values that one column cannot hold.
        UnusableStoreError: The extra is not installed.
    """
    with _needing_the_extra():
        from pyarrow import ArrowException
        from stac_geoparquet.arrow import parse_stac_items_to_arrow, to_parquet
    collections: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            items = parse_stac_items_to_arrow(_items(documents, collections), schema="FullFile", tmpdir=folder)
            to_parquet(items, path, collections=collections)
        except ArrowException as error:
            raise InvalidItemError(f"the items cannot be told in columns: {error}") from error


@contextlib.contextmanager
def as_lines(path: Path) -> Iterator[Path]:
    """The same documents as one JSON a line; the file itself if that is what it is.

    Raises:
        InvalidItemError: It is not stac-geoparquet.
        UnusableStoreError: The extra is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder, path.with_suffix(".ndjson").name)
        with lines.open("wb") as file:
            file.writelines(orjson.dumps(document) + b"\n" for document in read_geoparquet(path))
        yield lines


def read_geoparquet(path: Path) -> Iterator[dict[str, Any]]:
    """The Collections of a file, then its Items; their times are in UTC, and a member that was null is missing.

    Raises:
        InvalidItemError: It is not stac-geoparquet.
        UnusableStoreError: The extra is not installed.
    """
    with _needing_the_extra():
        from pyarrow import ArrowException, RecordBatchReader
        from pyarrow.parquet import ParquetFile
        from pyarrow.types import is_timestamp
        from stac_geoparquet.arrow import stac_table_to_items
    try:
        with ParquetFile(path) as file:
            metadata = orjson.loads((file.schema_arrow.metadata or {}).get(_METADATA, b"{}"))
            yield from metadata.get("collections", {}).values()
            times = {field.name for field in file.schema_arrow if is_timestamp(field.type)}
            rows = RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(_BATCH))
            yield from (_without_gaps(item, times) for item in stac_table_to_items(rows))
    except (ArrowException, ValueError, KeyError) as error:
        raise InvalidItemError(f"{path.name} is not stac-geoparquet: {error}") from error


def _items(documents: Iterable[dict[str, Any]], collections: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The Items; the Collections come first and are put aside."""
    for document in documents:
        if document["type"] == "Collection":
            collections[document["id"]] = document
        else:
            yield document


def _without_gaps(item: dict[str, Any], times: Container[str]) -> dict[str, Any]:
    """An Item as it was before it became a row: without the columns that only others fill, times as STAC has them."""
    told = {name: value if name == "geometry" else _stated(value) for name, value in item.items() if value is not None}
    properties = told["properties"].items()
    return {**told, "properties": {name: _plain_time(value) if name in times else value for name, value in properties}}


def _stated(value: Any) -> Any:
    """A value without the members that are null, at any depth."""
    if isinstance(value, dict):
        return {name: _stated(member) for name, member in value.items() if member is not None}
    return [_stated(member) for member in value] if isinstance(value, list) else value


def _plain_time(text: str) -> str:
    return format_datetime(parse_datetime(text))


@contextlib.contextmanager
def _needing_the_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise UnusableStoreError(f"{error.name} is not installed: pip install 'imagery-node[geoparquet]'") from error
