"""The keys of an item's assets that mean the same in every item."""

ANALYTIC = "analytic"
SHARP = "sharp"
VISUAL = "visual"
VISUAL_C = "visual-c"
"""The same picture in tiles of the national grid `c`; only where the builder was asked for it."""
QUALITY = "quality"
THUMBNAIL = "thumbnail"
