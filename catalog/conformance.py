"""The conformance classes that the STAC API fulfils."""

from catalog.filtering.operator_table import OPERATORS

_STAC = "https://api.stacspec.org/"
_OGC = "http://www.opengis.net/spec/"

CORE = (
    f"{_STAC}v1.0.0/core",
    f"{_STAC}v1.0.0/collections",
    f"{_STAC}v1.0.0/ogcapi-features",
    f"{_STAC}v1.0.0/item-search",
    f"{_OGC}ogcapi-features-1/1.0/conf/core",
    f"{_OGC}ogcapi-features-1/1.0/conf/oas30",
    f"{_OGC}ogcapi-features-1/1.0/conf/geojson",
)
FILTER = (
    f"{_STAC}v1.0.0-rc.3/item-search#filter",
    f"{_OGC}ogcapi-features-3/1.0/conf/filter",
    f"{_OGC}ogcapi-features-3/1.0/conf/features-filter",
    f"{_OGC}ogcapi-features-3/1.0/conf/queryables",
    *(f"{_OGC}cql2/1.0/conf/{name}" for name in ("cql2-text", "cql2-json", *OPERATORS)),
)
SORT = (
    f"{_STAC}v1.0.0/item-search#sort",  # older clients know only this name
    f"{_STAC}v1.1.0/item-search#sort",
    f"{_STAC}v1.1.0/item-search#sortables",
    f"{_STAC}v1.1.0/ogcapi-features#sort",
    f"{_OGC}ogcapi-features-5/1.0/conf/sortables",
)
FIELDS = (f"{_STAC}v1.0.0/item-search#fields", f"{_STAC}v1.0.0/ogcapi-features#fields")
QUERY = (f"{_STAC}v1.0.0/item-search#query", f"{_STAC}v1.0.0/ogcapi-features#query")
FREE_TEXT = (f"{_STAC}v1.0.0-rc.1/item-search#free-text", f"{_STAC}v1.0.0-rc.1/ogcapi-features#free-text")
COLLECTION_SEARCH = (
    f"{_STAC}v1.0.0-rc.1/collection-search",
    f"{_OGC}ogcapi-common-2/1.0/conf/simple-query",
    f"{_STAC}v1.0.0-rc.1/collection-search#free-text",
    f"{_STAC}v1.0.0-rc.1/collection-search#filter",
    f"{_STAC}v1.0.0-rc.1/collection-search#fields",
    f"{_STAC}v1.1.0/collection-search#sort",
    f"{_STAC}v1.1.0/collection-search#sortables",
)
AGGREGATION = (f"{_STAC}v0.3.0/aggregation", f"{_STAC}v0.3.0/aggregation#query", f"{_STAC}v0.3.0/aggregation#filter")

CONFORMANCE = (*CORE, *FILTER, *SORT, *FIELDS, *QUERY, *FREE_TEXT, *COLLECTION_SEARCH, *AGGREGATION)
