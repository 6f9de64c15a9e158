"""The operator's own layers and rules."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagery_node.errors import LayerFileError
from imagery_node.layer_file import read_layers
from imagery_node.mosaic_rule import RULES, MosaicRule, Weights
from imagery_node.when import ALWAYS, When, parse_when
from tests.support.published import address, node_at, put_collection

OWN = """
[[rule]]
name = "sharp-first"
version = 3
order = "weighted"
weights = { gsd = 2, cloud = 0.5 }
clear_pixels_first = true
feather_px = 8

[[layer]]
id = "winter"
title = "冬季影像"
collections = ["gf2-pms", "gf9-not-yet-here"]
rule = "sharp-first"
render = "false-colour"
time = "2024Q1"
max_age_s = 600

[[layer]]
id = "all-clear"
"""


def test_without_a_file_there_is_no_layer_of_the_operator(tmp_path):
    assert read_layers(tmp_path) == ()


def test_a_layer_has_the_collections_rule_render_and_time_that_the_file_says(tmp_path):
    (tmp_path / "layers.toml").write_text(OWN, encoding="utf-8")
    winter, clear = read_layers(tmp_path)
    assert winter.rule == MosaicRule(
        "sharp-first", 3, "order", "weighted", clear_pixels_first=True, feather_px=8, weights=Weights(gsd=2, cloud=0.5)
    )
    assert (winter.title, winter.render, winter.max_age_s) == ("冬季影像", "false-colour", 600)
    first, last = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 3, 31, 23, 59, 59, 999_999, UTC)
    assert winter.when == When(interval=(first, last))
    assert (clear.title, clear.rule, clear.when, clear.collections) == ("all-clear", RULES["newest-clear"], ALWAYS, ())


def test_the_documented_file_is_read_and_every_rule_documented(tmp_path):
    text = Path("docs/operations.md").read_text(encoding="utf-8")
    (tmp_path / "layers.toml").write_text(text.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    [winter] = read_layers(tmp_path)
    assert winter.rule.weights == RULES["weighted"].weights
    assert (winter.layer_id, winter.rule.name, winter.rule.feather_px) == ("winter", "sharp-and-clear", 8)
    rows = text.split("| rule | what lies on top |")[1].split("\n\n")[0].splitlines()[2:]
    assert {name for row in rows for name in re.findall(r"`([a-z-]+)`", row.split("|")[1])} == set(RULES)


@pytest.mark.parametrize("time", ["2024", "2024-05", "2024-05-01/..", "latest", "2024-05-01"])
def test_a_layers_time_is_written_as_in_a_request(tmp_path, time):
    (tmp_path / "layers.toml").write_text(f'[[layer]]\nid = "a"\ntime = "{time}"')
    assert read_layers(tmp_path)[0].when == parse_when(time)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[layer]]", "layer.0.id"),
        ("[[layer]]\nid = 5", "layer.0.id"),
        ('[[layer]]\nid = "../x"', "layer.0.id"),
        ('[[layer]]\nid = "a"\ncolour = "red"', "layer.0.colour"),
        ('[[layer]]\nid = "a"\nrule = "shiniest"', "layer a: rule is 'shiniest', expected one of newest, "),
        ('[[layer]]\nid = "a"\ntime = "some day"', "layer a: time: datetime"),
        ('[[layer]]\nid = "a"\nmax_age_s = -1', "layer.0.max_age_s"),
        ('[[layer]]\nid = "a"\nmax_age_s = 86401', "layer.0.max_age_s"),
        ('[[layer]]\nid = "a"\ncollections = ["b c"]', "layer.0.collections.0"),
        ('[[layer]]\nid = "a"\nrender = "b c"', "layer.0.render"),
        ('[[layer]]\nid = "img_2024Q3"', "layer img_2024Q3: the end"),
        ('[[layer]]\nid = "a"\n[[layer]]\nid = "a"', "layer a: is there already"),
        ('[[rule]]\nname = "newest"\norder = "oldest"', "rule newest: is there already"),
        ('[[rule]]\nname = "Shiny"\norder = "oldest"', "rule.0.name"),
        ('[[rule]]\nname = "a"\norder = "shiny"', "rule.0.order"),
        ('[[rule]]\nname = "a"\norder = "oldest"\nfeather_px = 33', "rule.0.feather_px"),
        ('[[rule]]\nname = "a"\norder = "weighted"\nweights = { gsd = inf }', "rule.0.weights.gsd"),
        ('[[rule]]\nname = "a"\norder = "weighted"\nweights = { beauty = 1 }', "rule.0.weights.beauty"),
        ("[[layer]\n", "Expected"),
        ("\udcff", "utf-8"),
    ],
)
def test_P32_what_is_wrong_in_the_file_is_named(tmp_path, text, said):
    (tmp_path / "layers.toml").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(LayerFileError) as refused:
        read_layers(tmp_path)
    assert all(line.startswith("layers.toml: ") for line in str(refused.value).splitlines())
    assert said in str(refused.value)


def test_P32_a_node_with_a_wrong_file_does_not_start(tmp_path):
    (tmp_path / "layers.toml").write_text('[[layer]]\nid = "a"\nrule = "shiniest"\n')
    command = [sys.executable, "-m", "imagery_node.cli", "serve", "--home", str(tmp_path), "--port", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 78
    assert ended.stderr.startswith("layers.toml: layer a: rule is 'shiniest'")


def test_the_operators_layers_are_listed_and_drawn_by_their_rule_render_and_time(tmp_path):
    (tmp_path / "layers.toml").write_text(OWN, encoding="utf-8")
    with node_at(tmp_path) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("WINTER", "2024-02-01T03:00:00Z")
        node.publish("SUMMER", "2024-07-01T03:00:00Z")
        layers = {layer["id"]: layer for layer in node.get("/raster/layers").json()["layers"]}
        assert list(layers) == ["img", "gf2-pms", "winter", "all-clear"]
        assert (layers["winter"]["rule"], layers["winter"]["title"]) == ("sharp-first/3", "冬季影像")
        assert layers["winter"]["collections"] == ["gf2-pms"]
        assert layers["winter"]["interval"] == ["2024-02-01T03:00:00Z", "2024-03-31T23:59:59.999999Z"]
        assert layers["gf2-pms"]["interval"] == ["2024-02-01T03:00:00Z", "2024-07-01T03:00:00Z"]
        tile = node.get(f"/raster/layers/winter/{address(suffix='.png')}")
        assert tile.headers["mosaic-rule"] == "sharp-first/3"
        assert tile.headers["cache-control"] == "public, max-age=600, must-revalidate"
        scenes = node.get(f"/raster/layers/winter/{address()}/scenes").json()["scenes"]
        assert [scene["item"] for scene in scenes] == ["WINTER"]
        asked = f"/raster/collections/gf2-pms/items/WINTER/{address(suffix='.png')}?render=false-colour"
        assert node.get(asked).content == tile.content
        shown = node.get(f"/raster/layers/winter/{address(suffix='.png')}?assets=visual")
        assert shown.content != tile.content
