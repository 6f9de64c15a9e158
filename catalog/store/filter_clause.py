"""CQL2 conjuncts as conditions on the narrow row."""

from catalog.filtering import Conjunct
from catalog.filtering.sql import compile_conjunct, sqlite_dialect
from catalog.store.clause import Clause

_DIALECT = sqlite_dialect(lambda queryable: f"item.{queryable.column}")


def filter_clause(conjunct: Conjunct) -> Clause | None:
    """The condition that holds for the same items; None where only their documents can tell."""
    compiled = compile_conjunct(conjunct, _DIALECT)
    return None if compiled is None else Clause(*compiled)
