"""What the node refuses, and with which HTTP status.

ImageryNodeError
 ├ BadParameterError          400   a parameter is unknown, repeated, malformed or out of its bounds
 │  └ BadRenderingError       400   the asset cannot be shown as asked: bands, expression, stretch
 ├ NotFoundError              404   no such layer, asset or file under the names given
 │  ├ UnknownGridError        404
 │  └ TileOutsideGridError    404
 ├ UnreadableAssetError       502   a file the catalogue lists cannot be read
 ├ OverloadedError            503   the queue is full
 ├ SupersededError            503   a scene was replaced or recalled while the answer was made
 ├ DeadlineError              504   the work took longer than a caller should wait
 └ LayerFileError             (none)   the operator's file of layers cannot be used; a node does not start with it
"""


class ImageryNodeError(Exception):
    """Base of the node's refusals; `code` is the stable name clients may test."""

    code = "imagery_node_error"
    transient = False
    """True: nothing is wrong but the moment, so that the log needs no traceback."""


class BadParameterError(ImageryNodeError):
    """A parameter is unknown, repeated, malformed or out of its bounds."""

    code = "bad_parameter"

    def __init__(self, message: str, *, limit: str | None = None) -> None:
        super().__init__(message)
        if limit:
            self.code = f"limit.{limit}"


class BadRenderingError(BadParameterError):
    """The asset cannot be shown as asked: its bands, the expression or the stretch do not fit."""

    code = "bad_rendering"


class NotFoundError(ImageryNodeError):
    """No such layer, asset or file under the names given."""

    code = "not_found"


class UnknownGridError(NotFoundError):
    """No grid of that name is served."""

    code = "unknown_grid"


class TileOutsideGridError(NotFoundError):
    """The grid has no such tile."""

    code = "tile_outside_grid"


class UnreadableAssetError(ImageryNodeError):
    """A file the catalogue lists cannot be read."""

    code = "source_error"


class OverloadedError(ImageryNodeError):
    """The queue is full, or this request waited in it too long."""

    code = "overloaded"
    transient = True


class SupersededError(ImageryNodeError):
    """A scene was replaced or recalled while the answer was made: ask again."""

    code = "superseded"
    transient = True


class DeadlineError(ImageryNodeError):
    """The work took longer than a caller should wait."""

    code = "deadline"


class LayerFileError(ImageryNodeError):
    """The operator's file of layers cannot be used: a node does not start with it."""

    code = "layer_file"


STATUS_CODES: dict[type[Exception], int] = {
    BadParameterError: 400,
    BadRenderingError: 400,
    NotFoundError: 404,
    UnknownGridError: 404,
    TileOutsideGridError: 404,
    UnreadableAssetError: 502,
    OverloadedError: 503,
    SupersededError: 503,
    DeadlineError: 504,
}
