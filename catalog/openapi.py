"""The API describes itself: OpenAPI 3.0 for programs (OGC API Features asks for that version), HTML for people."""

from html import escape
from typing import Any

from fastapi import FastAPI

OPENAPI_VERSION = "3.0.3"


class DescribedApi(FastAPI):
    """FastAPI whose document is OpenAPI 3.0 instead of 3.1."""

    def openapi(self) -> dict[str, Any]:
        """The document, made on the first call."""
        document: dict[str, Any] = _downgraded(super().openapi())
        return {**document, "openapi": OPENAPI_VERSION}


def _downgraded(node: Any) -> Any:
    """A JSON Schema 2020-12 node as OpenAPI 3.0 writes it; everything else as it is."""
    if isinstance(node, list):
        return [_downgraded(part) for part in node]
    if not isinstance(node, dict):
        return node
    schema = {name: _downgraded(part) for name, part in node.items()}
    if isinstance(schema.get("anyOf"), list) and {"type": "null"} in schema["anyOf"]:
        others = [part for part in schema.pop("anyOf") if part != {"type": "null"}]
        schema |= {**others[0]} if len(others) == 1 else {"anyOf": others}
        schema["nullable"] = True
    if "const" in schema and not isinstance(schema["const"], dict):
        schema["enum"] = [schema.pop("const")]
    if isinstance(schema.get("prefixItems"), list):
        schema["items"] = {"anyOf": schema.pop("prefixItems")}
    for bound, edge in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if type(schema.get(bound)) in (int, float):
            schema |= {edge: schema[bound], bound: True}
    if isinstance(schema.get("examples"), list):
        schema["example"] = schema.pop("examples")[0]
    return schema


def html_page(document: dict[str, Any]) -> str:
    """Every operation with its parameters, as one page without scripts."""
    sections = "".join(
        _operation(f"{method.upper()} {path}", operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    )
    title, description = escape(document["info"]["title"]), escape(document["info"]["description"])
    return (
        f'<!doctype html><html lang="zh"><meta charset="utf-8"><title>{title}</title>'
        f"<h1>{title}</h1><p>{description}</p>{sections}</html>"
    )


def _operation(heading: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code><td>{escape(parameter['in'])}"
        f"<td>{escape(parameter.get('description', ''))}"
        for parameter in operation.get("parameters", [])
    )
    table = f"<table>{rows}</table>" if rows else ""
    return f"<h2><code>{escape(heading)}</code></h2><p>{escape(operation.get('summary', ''))}</p>{table}"
