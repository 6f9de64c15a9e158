"""The portal at `/`: its files as they lie in the package."""

import os
from pathlib import Path

from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import ASGIApp, Scope

PORTAL = Path(__file__).parent.parent / "portal"


class _PortalFiles(StaticFiles):
    """Files that a browser keeps but asks about each time: their names stay when their content changes."""

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """A file, or 304 when the browser has it."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "no-cache"
        return response


def portal_files() -> ASGIApp:
    """The app to mount at `/`, after every other route."""
    return GZipMiddleware(_PortalFiles(directory=PORTAL, html=True), minimum_size=1024)
