"""Which language a caller reads, and texts in it."""

import pytest

from catalog.collection import check_collection, collection_document
from catalog.errors import InvalidItemError
from catalog.language import TRANSLATIONS, preferred_language, say, translated

TEXTS = {"zh": {"title": "高分一号"}, "en": {"title": "Gaofen-1", "description": "Images"}}
DOCUMENT = {"id": "gf1", "title": "高分一号 · Gaofen-1", "description": "影像", TRANSLATIONS: TEXTS}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, None),
        ("", None),
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-Hans-CN", "zh"),
        ("EN-us", "en"),
        ("en;q=0.3, zh;q=0.7", "zh"),
        ("fr, en;q=0.5", "en"),
        ("fr", None),
        ("*", "zh"),
        ("en, *;q=0.1", "en"),
        ("*;q=0.1, en", "en"),
        ("zh;q=0, en;q=0.1", "en"),
        ("zh;q=0", None),
        ("zh;q=2, en;q=nonsense, ;;;", None),
        ("english", None),
        ("a" * 5000, None),
    ],
)
def test_the_language_with_the_highest_weight_is_chosen(header, language):
    assert preferred_language(header) == language


def test_a_text_is_in_the_language_asked_for_or_in_both():
    assert say("zh", "影像", "Images") == "影像"
    assert say("en", "影像", "Images") == "Images"
    assert say(None, "影像", "Images") == "影像 · Images"


def test_a_translated_collection_shows_one_language_as_far_as_it_has_it():
    assert translated(DOCUMENT, "en") == {"id": "gf1", "title": "Gaofen-1", "description": "Images"}
    assert translated(DOCUMENT, "zh") == {"id": "gf1", "title": "高分一号", "description": "影像"}
    assert translated(DOCUMENT, None) == {"id": "gf1", "title": "高分一号 · Gaofen-1", "description": "影像"}
    assert translated({"id": "other", "title": "Other"}, "zh") == {"id": "other", "title": "Other"}


@pytest.mark.parametrize("texts", ["zh", {"zh": "title"}, {"zh": {"title": 1}}, {"zh": {"id": "other"}}], ids=str)
def test_translations_of_a_collection_are_titles_and_descriptions(texts):
    document = collection_document("gf1-pms")
    check_collection(document)
    with pytest.raises(InvalidItemError, match="translations"):
        check_collection({**document, TRANSLATIONS: texts})
