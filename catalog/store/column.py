"""What stands in which column of an item's narrow row."""

from catalog.queryable import QUERYABLES

VALUE_COLUMNS = tuple(queryable for queryable in QUERYABLES if queryable.name not in {"id", "collection", "datetime"})
"""The queryables that have a column for themselves alone."""

YEAR_US = 365.25 * 86_400e6
"""The R*Tree's time axis is in years: as wide as the scenes' places in degrees, so that neither axis starves."""
