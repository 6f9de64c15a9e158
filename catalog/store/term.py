"""Free text as SQL: low-cardinality words by their wordings, ids and titles by trigrams or by looking at them."""

from dataclasses import dataclass

import apsw

from catalog.store.clause import Clause, either, one_of
from catalog.wording import mentions, spellings

_TRIGRAMS = 32
"""So many of a term narrow it down enough; ids and titles are compared afterwards."""


@dataclass(frozen=True)
class Terms:
    """What the terms of a search mean in one state of the catalogue."""

    condition: Clause
    """Of rows of `item`."""
    words: Clause | None
    """Keys among which all the items are; None where the index of words cannot tell."""


def read_terms(connection: apsw.Connection, terms: tuple[str, ...]) -> Terms:
    """Look up which wordings mention any of the terms."""
    wordings = [
        key
        for key, text in connection.execute(
            "SELECT key, collection.wording || char(10) || text"
            " FROM wording JOIN collection ON collection.id = wording.collection"
        )
        if any(mentions(text, term) for term in terms)
    ]
    written = list(dict.fromkeys(spelling for term in terms for spelling in spellings(term)))
    looked_at = [
        Clause(f"instr(lower(item.{column}), ?)", (spelling,)) for spelling in written for column in ("id", "title")
    ]
    condition = either([*([one_of("item.wording", wordings)] if wordings else []), *looked_at])
    if wordings or any(len(spelling) < 3 or "\0" in spelling for spelling in written):
        return Terms(condition, None)
    asked = " OR ".join(f"({_trigrams(spelling)})" for spelling in written)
    return Terms(condition, Clause("SELECT rowid AS key FROM words WHERE words MATCH ?", (asked,)))


def _trigrams(spelling: str) -> str:
    """Every character is in one of them; those between would take longer than they spare."""
    starts = [*range(0, len(spelling) - 3, 3), len(spelling) - 3]
    found = dict.fromkeys(spelling[start : start + 3].replace('"', '""') for start in starts)
    return " AND ".join(f'"{trigram}"' for trigram in list(found)[:_TRIGRAMS])
