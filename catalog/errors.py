"""What the catalogue refuses.

CatalogError
 ├ UnknownCollectionError   404
 ├ UnknownItemError         404
 ├ InvalidItemError         400   an item breaks the rules of `catalog.item`
 ├ InvalidSearchError       400   a search parameter is out of its bounds
 ├ ItemExistsError          409   another publisher holds the scene, or a newer version is listed
 ├ DiskFullError            507   no room for the files or the index of a scene
 └ StoreUnavailableError    503   the database cannot answer
"""


class CatalogError(Exception):
    """Base of the catalogue's refusals; `code` is the stable name clients may test."""

    code = "catalog_error"


class UnknownCollectionError(CatalogError):
    """No collection of that id."""

    code = "unknown_collection"


class UnknownItemError(CatalogError):
    """No listed item of that id."""

    code = "unknown_item"


class InvalidItemError(CatalogError):
    """An item breaks the rules of `catalog.item`."""

    code = "invalid_item"


class InvalidSearchError(CatalogError):
    """A search parameter is out of its bounds."""

    code = "invalid_search"


class ItemExistsError(CatalogError):
    """Another publisher holds the scene, or a newer version is listed."""

    code = "item_exists"


class DiskFullError(CatalogError):
    """No room for the files or the index of a scene; nothing was changed."""

    code = "disk_full"


class StoreUnavailableError(CatalogError):
    """The database cannot answer."""

    code = "store_unavailable"


STATUS_CODES: dict[type[CatalogError], int] = {
    UnknownCollectionError: 404,
    UnknownItemError: 404,
    InvalidItemError: 400,
    InvalidSearchError: 400,
    ItemExistsError: 409,
    DiskFullError: 507,
    StoreUnavailableError: 503,
}
