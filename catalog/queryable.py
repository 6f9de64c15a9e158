"""The properties that a store keeps in columns of their own: fast to filter by, and the ones to sort by."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Queryable:
    """One property of an Item."""

    name: str
    """As CQL2, `sortby` and `query` write it; below `properties` unless it is `id` or `collection`."""
    kind: Literal["number", "text", "time"]
    """What its values are; an Item with another kind of value is refused."""
    column: str
    """Of the stores' narrow rows."""
    zh: str
    en: str


QUERYABLES = (
    Queryable("id", "text", "id", "标识", "Id"),
    Queryable("collection", "text", "collection", "集合", "Collection"),
    Queryable("datetime", "time", "datetime", "成像时间", "Acquisition time"),
    Queryable("created", "time", "created", "创建时间", "Created"),
    Queryable("updated", "time", "updated", "更新时间", "Updated"),
    Queryable("title", "text", "title", "标题", "Title"),
    Queryable("platform", "text", "platform", "卫星", "Satellite"),
    Queryable("constellation", "text", "constellation", "星座", "Constellation"),
    Queryable("gsd", "number", "gsd", "地面分辨率（米）", "Ground sample distance, m"),
    Queryable("eo:cloud_cover", "number", "cloud_cover", "云量（%）", "Cloud cover, %"),
    Queryable("view:off_nadir", "number", "off_nadir", "侧视角（°）", "Off-nadir angle, °"),
    Queryable("view:sun_elevation", "number", "sun_elevation", "太阳高度角（°）", "Sun elevation, °"),
    Queryable("processing:level", "text", "processing_level", "处理级别", "Processing level"),
)
"""Every other property of the items held can be filtered by too, more slowly."""
