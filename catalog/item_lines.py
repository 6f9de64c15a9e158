"""The lines of a file of Items and Collections, read and checked; those of a large file by several processes."""

import contextlib
import functools
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from catalog.checked_item import CheckedItem
from catalog.collection import check_collection
from catalog.errors import InvalidItemError
from catalog.item import MAX_ITEM_BYTES, check_items
from catalog.line_worker import LineWorker

Line = CheckedItem | dict[str, Any] | InvalidItemError | None
"""An Item, a Collection, why the line is refused, or nothing but space."""

ItemRule = Callable[[dict[str, Any]], None]
"""One more rule for Items; raises `InvalidItemError`."""

_LARGE_BYTES = 1024 * 1024
"""Such a file takes longer to check than other processes to start."""

_BATCH_BYTES = 256 * 1024
"""What fits into a processor's cache; twice as much is slower."""
_MAX_PROCESSES = 8


def read_lines(source: Path, *, rule: ItemRule | None = None) -> Iterator[Line]:
    """What each line of a file holds, in its order."""
    with reading(source, rule=rule) as lines:
        yield from lines


@contextlib.contextmanager
def reading(source: Path, *, rule: ItemRule | None = None, copy: BinaryIO | None = None) -> Iterator[Iterator[Line]]:
    """As `read_lines`; but the processes that a large file is worth start at once.

    Args:
        source: The file.
        rule: One more for its Items.
        copy: What is read of the file is written here too.
    """
    check = functools.partial(check_lines, rule=rule)
    with source.open("rb") as file, contextlib.ExitStack() as ending:
        workers = []
        if os.fstat(file.fileno()).st_size >= _LARGE_BYTES:
            for _ in range(min(len(os.sched_getaffinity(0)), _MAX_PROCESSES)):
                workers.append(LineWorker(check))
                ending.callback(workers[-1].stop)
        batches = _batches(file) if copy is None else _copied(_batches(file), copy)
        checked = _checked_by(workers, batches) if workers else map(check, batches)
        yield itertools.chain.from_iterable(checked)


def check_lines(lines: bytes, *, rule: ItemRule | None = None) -> list[Line]:
    """What each line holds."""
    documents = [_document(line) for line in lines.split(b"\n")]
    items = [document for document in documents if isinstance(document, dict) and _is_item(document)]
    checked = iter(check_items(items))
    return [_settled(document, checked, rule) for document in documents]


def survey(
    source: Path, *, known: AbstractSet[str], sample: int
) -> tuple[dict[str, dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """The Collections of a file by id, and up to `sample` Items of each collection that is not `known`.

    Lines that are refused are left out.
    """
    described: dict[str, dict[str, Any]] = {}
    samples: dict[str, list[dict[str, Any]]] = {}
    enough = {name.encode() for name in known}
    with source.open("rb") as file:
        new = (batch for batch in _batches(file) if not _has_nothing_but(enough, batch))
        for line in itertools.chain.from_iterable(batch.split(b"\n") for batch in new):
            if _has_nothing_but(enough, line):
                continue
            (found,) = check_lines(line)
            if isinstance(found, dict):
                described[found["id"]] = found
                enough.add(found["id"].encode())
            elif isinstance(found, CheckedItem) and found.collection.encode() not in enough:
                taken = samples.setdefault(found.collection, [])
                taken.append(orjson.loads(found.document))
                if len(taken) == sample:
                    enough.add(found.collection.encode())
    return described, {name: items for name, items in samples.items() if name not in described}


def _has_nothing_but(collections: set[bytes], lines: bytes) -> bool:
    """Whether the bytes alone say that all good lines are Items of the collections: parsing takes ten times as long."""
    if b"\\" in lines or b'"Collection"' in lines:
        return False
    for rest in lines.split(b'"collection"')[1:]:
        between, name, *_ = *rest.split(b'"', 2), b""
        is_member = between.lstrip().startswith(b":")
        if is_member and (between.strip() != b":" or name not in collections):
            return False
    return True


def _batches(file: BinaryIO) -> Iterator[bytes]:
    """The file in pieces of whole lines; a line that is too long is cut, and refused for it."""
    rest = b""
    while block := file.read(_BATCH_BYTES):
        lines, end, tail = block.rpartition(b"\n")
        if end:
            yield rest + lines
            rest = tail
        elif len(rest) > MAX_ITEM_BYTES:
            yield rest
            rest = tail
        else:
            rest += tail
    if rest:
        yield rest


def _copied(batches: Iterator[bytes], copy: BinaryIO) -> Iterator[bytes]:
    for batch in batches:
        copy.write(batch)
        copy.write(b"\n")
        yield batch


def _document(line: bytes) -> dict[str, Any] | InvalidItemError | None:
    if not line or line.isspace():
        return None
    if len(line) > MAX_ITEM_BYTES:
        return InvalidItemError(f"the line has more than {MAX_ITEM_BYTES} bytes; one document per line is expected")
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return InvalidItemError(f"not JSON: {error}")
    if not isinstance(document, dict) or document.get("type") not in ("Feature", "Collection"):
        return InvalidItemError("expected an Item (type 'Feature') or a Collection on each line")
    bbox = document.get("bbox")
    if isinstance(bbox, list) and len(bbox) == 6:
        document["bbox"] = [*bbox[:2], *bbox[3:5]]  # heights are for nobody here
    return document


def _is_item(document: dict[str, Any]) -> bool:
    return bool(document["type"] == "Feature")


def _settled(document: Line, checked: Iterator[CheckedItem | InvalidItemError], rule: ItemRule | None) -> Line:
    if not isinstance(document, dict):
        return document
    try:
        if not _is_item(document):
            check_collection(document)
            return document
        found = next(checked)
        if rule is not None and isinstance(found, CheckedItem):
            rule(document)
        return found
    except InvalidItemError as refusal:
        return refusal


def _checked_by(workers: Sequence[LineWorker], batches: Iterator[bytes]) -> Iterator[list[Line]]:
    """As `map`, each with one batch at a time."""
    free, busy = list(workers), deque[LineWorker]()
    for batch in batches:
        worker, found = (free.pop(), None) if free else (busy[0], busy.popleft().result())
        worker.begin(batch)
        busy.append(worker)
        if found is not None:
            yield found
    for worker in busy:
        yield worker.result()
