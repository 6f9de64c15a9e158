"""The documents are true: what they name exists, what they show runs."""

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings
from typer.main import get_command

from catalog.settings import CatalogSettings
from cog_builder.settings import CogBuilderSettings
from imagery_node.cli import app
from imagery_node.settings import ImageryNodeSettings
from tests.support.node import Node
from tests.support.simulated import tiny_delivery, tiny_dem

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path for folder in ("*.md", "docs/**/*.md", "deploy/*.md", "benchmarks/*.md") for path in ROOT.glob(folder)
)
SETTINGS = (ImageryNodeSettings, CatalogSettings, CogBuilderSettings)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE_SPAN = re.compile(r"`([^`\n]+)`")

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def _commands(document: Path) -> list[list[str]]:
    """Every `imagery-node …` of a document, in blocks and in running text, as words."""
    text = document.read_text("utf-8")
    lines = [line for _, block in _FENCE.findall(text) for line in block.splitlines()]
    spans = _CODE_SPAN.findall(_FENCE.sub("", text))
    return [shlex.split(line, comments=True) for line in (*lines, *spans) if line.startswith("imagery-node ")]


@every_document
def test_links_lead_to_files(document: Path) -> None:
    links = [link.split("#")[0] for link in _LINK.findall(document.read_text("utf-8")) if "://" not in link]
    missing = [link for link in links if link and not (document.parent / link).exists()]
    assert not missing


@every_document
def test_commands_and_their_options_exist(document: Path) -> None:
    for words in _commands(document):
        command = get_command(app)
        arguments = words[1:]
        while arguments and arguments[0] in getattr(command, "commands", {}):
            command = command.commands[arguments.pop(0)]
        assert not hasattr(command, "commands"), f"no such command: {words}"
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in arguments if word.startswith("--")} <= known, words


@every_document
def test_files_named_in_running_text_exist(document: Path) -> None:
    prefixes = ("catalog/", "cog_builder/", "imagery_node/", "deploy/", "docs/", "scripts/", "tests/", "requirements/")
    spans = [span.split()[0] for span in _CODE_SPAN.findall(_FENCE.sub("", document.read_text("utf-8")))]
    missing = [span for span in spans if span.startswith(prefixes) and not list(ROOT.glob(span.rstrip("/")))]
    assert not missing


def test_both_readmes_show_the_same_commands_and_code() -> None:
    english, chinese = (_FENCE.findall((ROOT / name).read_text("utf-8")) for name in ("README.md", "README.zh-CN.md"))
    assert english == chinese


def test_generated_documents_are_current() -> None:
    check = subprocess.run([sys.executable, ROOT / "scripts/docs", "--check"], capture_output=True, text=True, cwd=ROOT)
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.__name__)
def test_every_setting_is_documented_with_a_default_that_is_accepted(
    settings: type[BaseSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = settings.model_config["env_prefix"]
    example = (ROOT / "deploy/env.example").read_text("utf-8")
    page = (ROOT / "docs/settings.md").read_text("utf-8")
    values = dict(re.findall(rf"^#({prefix}\w+)=(.*)$", example, re.MULTILINE))
    assert {name.removeprefix(prefix).lower() for name in values} == set(settings.model_fields)
    assert all(f"| `{name}` |" in page for name in values)
    plain = settings()
    for name, value in values.items():
        if value:
            monkeypatch.setenv(name, value)
    assert settings() == plain


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.__name__)
def test_a_misspelt_setting_is_refused(settings: type[BaseSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{settings.model_config['env_prefix']}MISSPELT"
    monkeypatch.setenv(name, "1")
    with pytest.raises(ValidationError, match=name):
        settings()


@pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")  # odc-geo calls it
def test_the_readme_leads_from_a_delivery_to_reflectance(tmp_path: Path) -> None:
    deliveries = tmp_path / "demo-data/deliveries"
    deliveries.mkdir(parents=True)
    tiny_delivery("gf2-pms", deliveries)
    shutil.copy(tiny_dem(), deliveries / "dem.tif")
    for words in _commands(ROOT / "README.md"):
        arguments = [word.replace("ITEM_ID", "GF2_PMS2_20241012T032247_L1A14547890001") for word in words[1:]]
        places = [sorted(map(str, tmp_path.glob(word))) if "*" in word else [word] for word in arguments]
        command = [sys.executable, "-m", "imagery_node.cli", *itertools.chain.from_iterable(places)]
        done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
        assert done.returncode == 0, (words, done.stderr)
    (code,) = (
        code for language, code in _FENCE.findall((ROOT / "README.md").read_text("utf-8")) if language == "python"
    )
    with Node(tmp_path / "demo-data/home") as node:
        names: dict[str, Any] = {}
        exec(code.replace("http://127.0.0.1:8000", node.url), names)
        ndvi = names["ndvi"].to_numpy()
    assert list(names["scenes"]) == ["red", "nir"]
    assert names["scenes"].odc.geobox.crs.epsg in range(4534, 4555)
    assert np.isfinite(ndvi).mean() > 0.3
    assert np.nanmax(np.abs(ndvi)) < 1


@pytest.mark.parametrize("lock", sorted(ROOT.glob("requirements/*.txt")), ids=lambda path: path.name)
def test_locks_pin_every_package_by_hash_and_name_no_address(lock: Path) -> None:
    text = lock.read_text("utf-8")
    packages = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", text, re.MULTILINE | re.DOTALL)
    assert packages
    assert all("==" in package and "--hash=sha256:" in package for package in packages)
    assert "://" not in text
    assert "--index" not in text
