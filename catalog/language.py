"""Chinese and English: which of them a caller reads, and texts in it."""

import re
from typing import Any, Literal

Language = Literal["zh", "en"]

TRANSLATIONS = "imagery_node:translations"
"""Of a stored Collection: by language the title and description, which the served document has in their place."""

_WEIGHTED = re.compile(
    r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?"
)


def preferred_language(accepted: str | None) -> Language | None:
    """What an `Accept-Language` header asks for; None where it asks for neither, and gets both."""
    weights: dict[Language, float] = {}
    for part in (accepted or "").split(","):
        match = _WEIGHTED.fullmatch(part)
        if match is None:
            continue
        name, weight = match[1].lower(), float(match[2] or 1)
        if name == "zh" or (name == "*" and "zh" not in weights):
            weights["zh"] = weight
        elif name == "en":
            weights["en"] = weight
    wanted = max(weights, key=lambda language: weights[language], default=None)
    return wanted if wanted and weights[wanted] > 0 else None


def say(language: Language | None, zh: str, en: str, *, between: str = " · ") -> str:
    """One of two texts that say the same, or both."""
    if language is None:
        return f"{zh}{between}{en}"
    return zh if language == "zh" else en


def content_language(language: Language | None) -> str:
    """As the header of an answer."""
    return language or "zh, en"


def translated(document: dict[str, Any], language: Language | None) -> dict[str, Any]:
    """A Collection in one language, as far as it has been translated."""
    translations = document.get(TRANSLATIONS, {})
    return {
        **{name: value for name, value in document.items() if name != TRANSLATIONS},
        **(translations.get(language, {}) if language else {}),
    }
