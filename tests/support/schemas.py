"""Offline judges of STAC documents: schema addresses answered from ../shared/schemas/HOST/PATH."""

import json
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pystac.validation import validate_dict
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from referencing import Registry, Resource

SCHEMAS = Path(__file__).resolve().parents[3] / "shared" / "schemas"


class OfflineValidator(JsonSchemaSTACValidator):
    """pystac's validator which never asks the network: a schema that is not on disk is a failure."""

    @cached_property
    def registry(self):
        """The same for every document; pystac would build it anew."""
        return Registry(retrieve=lambda uri: Resource.from_contents(self._get_schema(uri)))

    def _get_schema(self, schema_uri):
        if schema_uri not in self.schema_cache:
            address = urlsplit(schema_uri)
            schema = json.loads((SCHEMAS / address.netloc / address.path.lstrip("/")).read_text())
            self.schema_cache[schema_uri] = schema
        return self.schema_cache[schema_uri]


def stac_validator():
    """A validator for `check_document`; skips the test where the schemas are missing."""
    if not SCHEMAS.is_dir():
        pytest.skip(f"no schemas at {SCHEMAS.name}: STAC documents cannot be validated offline")
    return OfflineValidator()


def check_document(document, validator):
    """Validate an Item, Collection or Catalog against its core schema and every extension it names."""
    judged_by = validate_dict(document, validator=validator)
    assert len(judged_by) == 1 + len(document.get("stac_extensions", [])), judged_by
