"""What the catalogue refuses.

CatalogError
 ├ UnknownCollectionError   404
 ├ UnknownItemError         404
 ├ InvalidItemError         400   an item breaks the rules of `catalog.item`
 ├ InvalidSearchError       400   a search parameter is out of its bounds
 │  └ TooLargeError         413   the answer would be made of more than one request may cost
 ├ UnknownAreaError         404
 ├ InvalidAreaError         400   an area of an operator's file breaks the rules of `catalog.area_file`
 ├ UnreadableFileError      502   the store of a file does not give it
 ├ BusyError                503   as many heavy answers as there may be are being made
 ├ ItemExistsError          409   another publisher holds the scene, or a newer version is listed
 ├ ItemChangedError         412   a document is not the one that the sender read
 ├ DiskFullError            507   no room for the files or the index of a scene
 └ StoreUnavailableError    503   the database cannot answer
    ├ StoreAwayError        503   its server cannot be reached now, or is too busy
    ├ UnusableStoreError    503   the database is not one for this program and home
    └ SlowSearchError       504   a search ran into its deadline
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


class TooLargeError(InvalidSearchError):
    """The answer would be made of more than one request may cost; the message names the bound."""

    code = "limit.coverage"


class UnknownAreaError(CatalogError):
    """No named area of that id."""

    code = "unknown_area"


class InvalidAreaError(CatalogError):
    """An area of an operator's file breaks the rules of `catalog.area_file`."""

    code = "invalid_area"


class UnreadableFileError(CatalogError):
    """The store of a file does not give it."""

    code = "source_error"


class BusyError(CatalogError):
    """As many heavy answers as there may be are being made."""

    code = "overloaded"
    transient = True


class ItemExistsError(CatalogError):
    """Another publisher holds the scene, or a newer version is listed."""

    code = "item_exists"


class ItemChangedError(CatalogError):
    """A document is not the one that the sender of its successor read."""

    code = "changed_meanwhile"


class DiskFullError(CatalogError):
    """No room for the files or the index of a scene; nothing was changed."""

    code = "disk_full"


class StoreUnavailableError(CatalogError):
    """The database cannot answer."""

    code = "store_unavailable"


class StoreAwayError(StoreUnavailableError):
    """The database's server cannot be reached now, or all connections to it are taken; waiting helps."""

    transient = True


class UnusableStoreError(StoreUnavailableError):
    """The database is not one for this program and home; waiting does not help."""

    code = "unusable_store"


class SlowSearchError(StoreUnavailableError):
    """A search ran into its deadline."""

    code = "search_deadline"
    transient = True


STATUS_CODES: dict[type[CatalogError], int] = {
    UnknownCollectionError: 404,
    UnknownItemError: 404,
    InvalidItemError: 400,
    InvalidSearchError: 400,
    TooLargeError: 413,
    UnknownAreaError: 404,
    InvalidAreaError: 400,
    UnreadableFileError: 502,
    BusyError: 503,
    ItemExistsError: 409,
    ItemChangedError: 412,
    DiskFullError: 507,
    StoreUnavailableError: 503,
    StoreAwayError: 503,
    UnusableStoreError: 503,
    SlowSearchError: 504,
}
