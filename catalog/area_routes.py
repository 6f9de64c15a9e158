"""`/areas`: the named areas that questions may be about."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from catalog.api_answer import answer
from catalog.area import AreaBook
from catalog.item import ID_PATTERN, MAX_ID_LENGTH
from catalog.link import Addresses
from catalog.request_limits import StrictRoute
from catalog.stac_link import GEOJSON, JSON, link

MAX_WORDS_LENGTH = 256
MAX_LIMIT = 1000

Id = Annotated[str, Path(pattern=ID_PATTERN, max_length=MAX_ID_LENGTH, description="Area id")]
Words = Annotated[str, Query(max_length=MAX_WORDS_LENGTH, description="Parts of the id or name; all must occur")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
After = Annotated[str, Query(max_length=MAX_ID_LENGTH, description="Go on behind this id")]


def area_routes(areas: AreaBook, *, public_url: str | None) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=StrictRoute, tags=["answers"])

    @router.get("/areas", summary="Named areas: id, names, box and size")
    def list_areas(request: Request, q: Words = "", limit: Limit = MAX_LIMIT, after: After = "") -> Response:
        """By id; `q` searches Chinese and English names."""
        at = Addresses.of(request, public_url)
        address, asked = f"{at.stac}/areas", dict(request.query_params)
        found = areas.search(q)
        behind = [area for area in found if area.area_id > after]
        shown = behind[:limit]
        links = [link("self", f"{address}?{urlencode(asked)}" if asked else address), link("root", at.root)]
        if len(behind) > limit:
            links.append(link("next", f"{address}?{urlencode({**asked, 'after': shown[-1].area_id})}"))
        return answer(
            {
                "areas": [area.head() | {"href": f"{address}/{area.area_id}"} for area in shown],
                "numberMatched": len(found),
                "numberReturned": len(shown),
                "links": links,
            },
            JSON,
        )

    @router.get("/areas/{area_id}", summary="One named area as GeoJSON")
    def show_area(area_id: Id) -> Response:
        """A Feature in degrees."""
        return answer(areas.area(area_id).feature(), GEOJSON)

    return router
