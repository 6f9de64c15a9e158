"""Signed links and tokens: what each opens, and nothing else."""

import time

import pytest
from pydantic import ValidationError

from catalog.access import MAX_LINK_S, Access, FileName, link_expiry
from catalog.settings import CatalogSettings

KEY = "k" * 32
TOKEN, OTHER_TOKEN = "reader-" + "a" * 32, "reader-" + "b" * 32
NAME = FileName("gf2-pms", "SCENE", "3", "visual")


def _access(key=KEY):
    return Access.of(CatalogSettings(protected=("gf2-pms",), signing_key=key, read_token=f"{TOKEN}, {OTHER_TOKEN}"))


def _signature(access, name=NAME, *, expires):
    return access.sign(name, expires=expires).partition("signature=")[2]


def test_a_signature_opens_its_file_until_it_expires():
    access, expires = _access(), link_expiry(60)
    signature = _signature(access, expires=expires)
    assert access.is_signed(NAME, expires=expires, signature=signature)
    late = int(time.time()) - 1
    assert not access.is_signed(NAME, expires=late, signature=_signature(access, expires=late))


@pytest.mark.parametrize("part", FileName._fields)
def test_a_signature_opens_no_other_file_and_not_the_same_for_longer(part):
    access, expires = _access(), link_expiry(60)
    signature = _signature(access, expires=expires)
    assert not access.is_signed(NAME._replace(**{part: "4"}), expires=expires, signature=signature)
    assert not access.is_signed(NAME, expires=expires + 1, signature=signature)


def test_parts_of_a_name_cannot_be_shifted_into_each_other():
    access, expires = _access(), link_expiry(60)
    shifted = FileName("gf2-pms", "SCENE3", "", "visual")
    assert _signature(access, expires=expires) != _signature(access, shifted, expires=expires)


def test_no_signature_is_good_for_longer_than_a_week_even_ours():
    access, expires = _access(), link_expiry(MAX_LINK_S + 60)
    assert not access.is_signed(NAME, expires=expires, signature=_signature(access, expires=expires))


def test_another_key_ends_all_links():
    expires = link_expiry(60)
    signature = _signature(_access("j" * 32), expires=expires)
    assert not _access().is_signed(NAME, expires=expires, signature=signature)


def test_composites_of_a_protected_collection_are_protected():
    assert _access().protected == {"gf2-pms", "gf2-pms-composite"}


def test_without_a_key_nothing_is_signed():
    expires = link_expiry(60)
    assert not Access(frozenset({"gf2-pms"})).is_signed(NAME, expires=expires, signature="")
    forged = _signature(Access(frozenset({"gf2-pms"})), expires=expires)
    assert not Access(frozenset({"gf2-pms"})).is_signed(NAME, expires=expires, signature=forged)


def test_public_files_need_no_signature():
    assert _access().sign(NAME._replace(collection="gf1-pms"), expires=link_expiry()) == ""


def test_every_token_of_the_list_opens_and_nothing_else_does():
    assert _access().admits(TOKEN)
    assert _access().admits(OTHER_TOKEN)
    for token in ("", TOKEN[:-1], f"{TOKEN}x", f"{TOKEN},{OTHER_TOKEN}", KEY):
        assert not _access().admits(token)
    assert not Access().admits("")


def test_a_rule_shows_no_secret():
    assert KEY not in repr(_access())
    assert TOKEN not in repr(_access())


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"CATALOG_PROTECTED": "gf2-pms"}, "CATALOG_SIGNING_KEY"),
        ({"CATALOG_PROTECTED": "gf2-pms,../x", "CATALOG_SIGNING_KEY": KEY}, "protected"),
        ({"CATALOG_SIGNING_KEY": "sh0rt"}, "signing_key"),
        ({"CATALOG_READ_TOKEN": f"{TOKEN},sh0rt"}, "read_token"),
        ({"CATALOG_READ_TOKEN": " , "}, "read_token"),
        ({"CATALOG_READ_TOKEN": "with spaces in it " * 3}, "read_token"),
        ({"CATALOG_WRITE_TOKEN": "sh0rt"}, "write_token"),
        ({"CATALOG_WRITE_TOKEN": f"{TOKEN},{OTHER_TOKEN}"}, "CATALOG_WRITE_TOKEN"),
        ({"CATALOG_WRITE_TOKEN": TOKEN, "CATALOG_READ_TOKEN": TOKEN}, "CATALOG_WRITE_TOKEN"),
    ],
)
def test_P32_a_wrong_secret_is_refused_by_name_and_not_shown(monkeypatch, variables, message):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=message) as refusal:
        CatalogSettings()
    assert not any(value in str(refusal.value) for name, value in variables.items() if name != "CATALOG_PROTECTED")
