"""The counts that can be asked of what a search finds; the stores make them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from catalog.search import Bucket

CLOUD_STEP = 10
"""Percent in one bucket of `cloud_cover_frequency`; the last one has 100 too."""
GEOHASH_PRECISION = 3


@dataclass(frozen=True)
class Aggregation:
    """One way to count."""

    name: str
    kind: Literal["total", "term", "month", "range"]
    """One number; by a text; by month, told by its first instant; by ranges of a number, told by their lower end."""

    @property
    def data_type(self) -> str:
        """As the aggregation extension names it."""
        return {"total": "integer", "term": "string", "month": "datetime", "range": "numeric"}[self.kind]

    def description(self) -> dict[str, Any]:
        """As `/aggregations` lists it."""
        described: dict[str, Any] = {"name": self.name, "data_type": self.data_type}
        if self.kind != "total":
            described["frequency_distribution_data_type"] = self.data_type
        return described

    def answer(self, buckets: Sequence[Bucket]) -> dict[str, Any]:
        """The counts as `/aggregate` gives them; `buckets` as the store made them."""
        if self.kind == "total":
            return {"name": self.name, "data_type": self.data_type, "value": sum(bucket.count for bucket in buckets)}
        counted = [self._bucket(bucket) for bucket in buckets]
        return {"name": self.name, "data_type": self.data_type, "overflow": 0, "buckets": counted}

    def _bucket(self, bucket: Bucket) -> dict[str, Any]:
        ends = {}
        if self.kind == "range":
            start = int(bucket.key)
            ends = {"from": start, "to": start + CLOUD_STEP}
        return {"key": bucket.key, "data_type": self.data_type, "frequency": bucket.count, **ends}


AGGREGATIONS = {
    aggregation.name: aggregation
    for aggregation in (
        Aggregation("total_count", "total"),
        Aggregation("datetime_frequency", "month"),
        Aggregation("collection_frequency", "term"),
        Aggregation("platform_frequency", "term"),
        Aggregation("cloud_cover_frequency", "range"),
        Aggregation("grid_geohash_frequency", "term"),
    )
}
