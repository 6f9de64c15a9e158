"""Settings of the catalogue: read from CATALOG_ variables, refused when they are wrong (P32)."""

import pytest
from pydantic import ValidationError

from catalog.settings import CatalogSettings


def test_the_defaults_need_nothing():
    settings = CatalogSettings()
    assert settings.asset_roots == ()
    assert settings.disk_reserve_mib > 0


def test_asset_roots_are_separated_by_colons(monkeypatch, tmp_path):
    roots = (tmp_path / "a", tmp_path / "b")
    [root.mkdir() for root in roots]
    monkeypatch.setenv("CATALOG_ASSET_ROOTS", f"{roots[0]}:{roots[1]}:")
    assert CatalogSettings().asset_roots == roots


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CATALOG_ASSET_ROOTS", "relative"),
        ("CATALOG_ASSET_ROOTS", "/no/such/folder"),
        ("CATALOG_DISK_RESERVE_MIB", "-1"),
        ("CATALOG_DISK_RESERVE_MIB", "much"),
        ("CATALOG_GRACE_S", "-5"),
        ("CATALOG_GRACE_S", "nan"),
        ("CATALOG_ASSET_ROOT", "/tmp"),
        ("CATALOG_UNHEARD_OF", "1"),
    ],
)
def test_P32_a_wrong_setting_is_refused_by_name(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match="(?i)" + variable.removeprefix("CATALOG_")):
        CatalogSettings()


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        CatalogSettings().grace_s = 1


@pytest.mark.parametrize("name", ["CATALOG_WEBHOOKS", "CATALOG_REMOTE_STORES"])
def test_the_password_of_a_refused_address_is_not_repeated(monkeypatch, name):
    monkeypatch.setenv(name, "https://user:secret-word@data.example.org/scenes")
    with pytest.raises(ValidationError) as refused:
        CatalogSettings()
    messages = [mistake["msg"] for mistake in refused.value.errors(include_input=False)]
    assert "data.example.org" in str(messages)
    assert "secret-word" not in str(messages)
