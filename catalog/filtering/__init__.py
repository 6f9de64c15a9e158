"""CQL2: bounded, parsed, split into what a database can decide and what is evaluated on documents."""

from catalog.filtering.filter import Conjunct, Filter, read_filter

__all__ = ["Conjunct", "Filter", "read_filter"]
