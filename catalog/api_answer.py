"""What the answers of the STAC API have in common."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_plus

import orjson
from starlette.requests import Request
from starlette.responses import Response

from catalog.entity_tag import document_tag
from catalog.language import Language, content_language, preferred_language
from catalog.stac_link import link

_OF_A_QUERY = "%&=+!$'()*,-./:;?@_~"
"""What may stand in a query besides letters and digits, and an escape. Source: RFC 3986, 3.4."""


def language_of(request: Request) -> Language | None:
    """The language that the caller asked for."""
    return preferred_language(request.headers.get("accept-language"))


def answer(document: Mapping[str, Any], media_type: str) -> Response:
    """A document that is the same in every language."""
    return Response(orjson.dumps(document), media_type=media_type)


def answer_in(language: Language | None, document: Mapping[str, Any], media_type: str) -> Response:
    """A document whose texts are in the language asked for."""
    headers = {"Content-Language": content_language(language), "Vary": "Accept-Language"}
    return Response(orjson.dumps(document), media_type=media_type, headers=headers)


def tagged(response: Response, stored: dict[str, Any]) -> Response:
    """The answer with the entity tag of the document it tells of, which whoever writes can send back."""
    response.headers["ETag"] = document_tag(stored)
    return response


def page_links(request: Request, address: str, next_token: str | None, media_type: str) -> list[dict[str, Any]]:
    """Links from a page that was asked for in an address: to itself and to the next one."""
    asked = quote(request.scope["query_string"], safe=_OF_A_QUERY)  # encoding every value anew takes longer
    links = [link("self", f"{address}?{asked}" if asked else address, media_type)]
    if next_token:
        kept = [part for part in asked.split("&") if part and unquote_plus(part.partition("=")[0]) != "token"]
        links.append(link("next", f"{address}?{'&'.join([*kept, f'token={next_token}'])}", media_type, method="GET"))
    return links
