"""The questions of the search benchmark, and what a plain scan of the Items says is right."""

import datetime
import http.client
import itertools
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from benchmarks.items import DAYS, EAST, FIRST_DAY, NORTH, SOUTH, WEST

LIMIT = 100
CLOUD = 20
PLATFORM, GSD_M = "gaofen-2", 1

_WIDTHS = (0.2, 1.0, 3.0)
"""Degrees: a town, a county, a prefecture."""


class Archive:
    """The Items of a file as columns."""

    def __init__(self, path: Path) -> None:
        columns: list[list[Any]] = [[], [], [], [], [], [], []]
        with path.open("rb") as lines:
            for document in map(orjson.loads, lines):
                if document["type"] == "Feature":
                    for column, value in zip(columns, _values(document), strict=True):
                        column.append(value)
        self.ids, self.collections, self.datetimes, self.clouds, self.platforms, self.gsds = map(np.array, columns[:-1])
        self._shapes = shapely.polygons(np.array(columns[-1]))

    def scan(
        self, bbox: Sequence[float], interval: tuple[str, str], *, cloud: float = np.inf, platform: str | None = None
    ) -> NDArray[np.intp]:
        """Rows of all Items that fulfil everything."""
        fits = (self.datetimes >= interval[0]) & (self.datetimes <= interval[1]) & (self.clouds < cloud)
        if platform is not None:
            fits &= (self.platforms == platform) & (self.gsds <= GSD_M)
        rows = np.flatnonzero(fits)
        return rows[shapely.intersects(self._shapes[rows], shapely.box(*bbox))]


class Question(NamedTuple):
    """One request; what must come back, as rows of the archive, unless that is obvious."""

    path: str
    rows: Callable[[], NDArray[np.intp]] | None = None


@dataclass(frozen=True)
class Scenario:
    """One kind of request."""

    name: str
    target: float
    """Times the peer's median latency."""
    order: str
    """The property that answers are sorted by: `datetime`, newest first, or `cloud`."""
    questions: list[Question]


def scenarios(archive: Archive, count: int) -> list[Scenario]:
    """All kinds, with `count` questions each that are the same every time."""
    random = np.random.default_rng(11)
    asked: dict[str, list[Question]] = {"filter": [], "month": [], "cloud": [], "text": [], "newest": [], "item": []}
    for bbox, year, month in _places(random, count):
        where = {"bbox": ",".join(map(str, bbox)), "limit": LIMIT}
        in_year = {**where, "datetime": "/".join(year)}

        def scan(when: tuple[str, str], box: Sequence[float] = bbox, **more: Any) -> Callable[[], NDArray[np.intp]]:
            return lambda: archive.scan(box, when, **more)

        clear = _text(f'"eo:cloud_cover" < {CLOUD}')
        several = _text(f"\"eo:cloud_cover\" < {CLOUD} AND platform = '{PLATFORM}' AND gsd <= {GSD_M}")
        by_cloud = {"sortby": "+properties.eo:cloud_cover,-properties.datetime"}
        asked["filter"].append(Question(_search(**in_year, **clear), scan(year, cloud=CLOUD)))
        asked["month"].append(Question(_search(**where, datetime="/".join(month)), scan(month)))
        asked["cloud"].append(Question(_search(**in_year, **by_cloud), scan(year)))
        asked["text"].append(Question(_search(**in_year, **several), scan(year, cloud=CLOUD, platform=PLATFORM)))
        asked["newest"].append(Question(_search(limit=LIMIT, sortby="-datetime"), lambda: np.arange(len(archive.ids))))
        row = random.integers(len(archive.ids))
        asked["item"].append(Question(f"/collections/{archive.collections[row]}/items/{archive.ids[row]}"))
    return [
        Scenario("bbox + year + cloud < 20 %", 15, "datetime", asked["filter"]),
        Scenario("bbox + month", 12, "datetime", asked["month"]),
        Scenario("bbox + year by cloud", 12, "cloud", asked["cloud"]),
        Scenario("CQL2 text of three", 10, "datetime", asked["text"]),
        Scenario("newest 100", 20, "datetime", asked["newest"]),
        Scenario("one item", 5, "", asked["item"]),
    ]


class Client:
    """One connection that is kept open."""

    def __init__(self, base_url: str) -> None:
        parts = urllib.parse.urlsplit(base_url)
        self._root = parts.path
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=300)

    def wake(self, path: str) -> None:
        """Connect anew if need be: a server closes what is idle for some seconds."""
        self._connection.close()
        self.get(path)

    def get(self, path: str) -> tuple[bytes, float]:
        """The body of an answer, and the milliseconds it took."""
        started = time.perf_counter()
        self._connection.request("GET", self._root + path)
        response = self._connection.getresponse()
        body = response.read()
        took_ms = 1000 * (time.perf_counter() - started)
        if response.status != 200:
            raise SystemExit(f"{path} is answered {response.status}: {body[:300]!r}")
        return body, took_ms

    def pages(self, path: str) -> Iterator[tuple[dict[str, Any], float]]:
        """Answers and their milliseconds, along the links `next`."""
        while True:
            body, took_ms = self.get(path)
            document = orjson.loads(body)
            yield document, took_ms
            following = [link["href"] for link in document["links"] if link["rel"] == "next"]
            if not following:
                return
            parts = urllib.parse.urlsplit(following[0])
            path = f"{parts.path}?{parts.query}".removeprefix(self._root)


def check(client: Client, scenario: Scenario, archive: Archive, *, count: int) -> None:
    """Compare some answers with a plain scan; one that differs ends the program."""
    for question in scenario.questions[:count]:
        client.wake("/collections")
        document = orjson.loads(client.get(question.path)[0])
        if question.rows is None:
            if document["id"] not in question.path:
                raise SystemExit(f"{question.path} gives item {document['id']}")
            continue
        rows = question.rows()
        clouds = scenario.order == "cloud"
        expected = np.sort(archive.clouds[rows]) if clouds else np.sort(archive.datetimes[rows])[::-1]
        found = [item["properties"]["eo:cloud_cover" if clouds else "datetime"] for item in document["features"]]
        strangers = {item["id"] for item in document["features"]} - set(archive.ids[rows])
        if strangers or found != expected[:LIMIT].tolist():
            told = f"{len(found)} items, {len(strangers)} of them wrong, instead of {len(expected[:LIMIT])}"
            raise SystemExit(f"{scenario.name}: {told}, or in another order: {question.path}")


def page_times(client: Client, archive: Archive, count: int) -> tuple[list[float], int]:
    """Milliseconds of each of `count` pages of the largest collection, and the limit that gives so many."""
    names, sizes = np.unique(archive.collections, return_counts=True)
    limit = int(max(1, min(LIMIT, sizes.max() // count)))
    seen: set[str] = set()
    times_ms = []
    client.wake("/collections")
    first = _search(collections=str(names[sizes.argmax()]), limit=limit)
    for document, took_ms in itertools.islice(client.pages(first), count):
        ids = {item["id"] for item in document["features"]}
        if len(ids) < limit or ids & seen:
            raise SystemExit(f"page {len(times_ms) + 1} repeats or lacks items")
        seen |= ids
        times_ms.append(took_ms)
    return times_ms, limit


def _values(item: dict[str, Any]) -> tuple[Any, ...]:
    properties = item["properties"]
    return (
        item["id"],
        item["collection"],
        properties["datetime"],
        properties["eo:cloud_cover"],
        properties["platform"],
        properties["gsd"],
        item["geometry"]["coordinates"][0],
    )


def _places(random: np.random.Generator, count: int) -> Iterator[tuple[list[float], tuple[str, str], tuple[str, str]]]:
    """Boxes, and for each a year and a month."""
    for _ in range(count):
        west, south = random.uniform(WEST + 6, EAST - 5), random.uniform(SOUTH + 3, NORTH - 5)
        width = random.choice(_WIDTHS)
        start = FIRST_DAY + datetime.timedelta(days=int(random.integers(DAYS - 365)))
        year, month = (
            (f"{start:%Y-%m-%dT%H:%M:%SZ}", f"{start + datetime.timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}")
            for days in (365, 30)
        )
        yield [round(float(v), 4) for v in (west, south, west + width, south + 0.8 * width)], year, month


def _search(**parameters: object) -> str:
    return "/search?" + urllib.parse.urlencode(parameters, safe=":,/")


def _text(expression: str) -> dict[str, str]:
    return {"filter-lang": "cql2-text", "filter": expression}
