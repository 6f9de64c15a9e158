"""The operators a filter may use, by the conformance class of CQL2 that they belong to."""

COMPARISONS = ("=", "<>", "<", ">", "<=", ">=")
SPATIAL = ("s_intersects", "s_equals", "s_disjoint", "s_touches", "s_within", "s_overlaps", "s_crosses", "s_contains")
TEMPORAL = (
    *("t_after", "t_before", "t_contains", "t_disjoint", "t_during", "t_equals", "t_finishedBy", "t_finishes"),
    *("t_intersects", "t_meets", "t_metBy", "t_overlappedBy", "t_overlaps", "t_startedBy", "t_starts"),
)
ARRAY = ("a_equals", "a_contains", "a_containedBy", "a_overlaps")
ARITHMETIC = ("+", "-", "*", "/", "%", "^", "div")

OPERATORS = {
    "basic-cql2": ("and", "or", "not", *COMPARISONS, "isNull"),
    "advanced-comparison-operators": ("like", "between", "in"),
    "case-insensitive-comparison": ("casei",),
    "accent-insensitive-comparison": ("accenti",),
    "basic-spatial-functions": SPATIAL[:1],
    "basic-spatial-functions-plus": SPATIAL[:1],
    "spatial-functions": SPATIAL,
    "temporal-functions": TEMPORAL,
    "array-functions": ARRAY,
    "property-property": COMPARISONS,
    "arithmetic": ARITHMETIC,
}
"""Every class is advertised by the last part of its address: `http://www.opengis.net/spec/cql2/1.0/conf/…`."""
