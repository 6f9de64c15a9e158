"""The seam for cloud detectors: what is installed is found by name, everything else is refused with a reason."""

import sys

import numpy as np
import pytest
from pydantic import ValidationError

from cog_builder.cloud_detector import load_cloud_detector
from cog_builder.cloud_rule import SimpleCloudRule
from cog_builder.quality import CLOUD, CLOUD_SHADOW, FILL
from cog_builder.settings import CogBuilderSettings
from tests.support.built import build, hills, pixels_of
from tests.support.command import imagery_node
from tests.support.simulated import tiny_delivery

MODULE = """
import numpy as np

class HalfTheSky:
    pixel_m = 0.0
    reach_px = 3

    def __call__(self, view):
        cloudy = np.zeros(view.valid.shape, np.bool_)
        cloudy[:, ::2] = True
        return cloudy, ~cloudy

class Unmeasured:
    def __call__(self, view):
        return None

class Backwards(HalfTheSky):
    reach_px = -1
"""
ENTRIES = """
[imagery_node.cloud_detectors]
half = clouds_elsewhere:HalfTheSky
unmeasured = clouds_elsewhere:Unmeasured
backwards = clouds_elsewhere:Backwards
lost = clouds_elsewhere:Nothing
missing = clouds_nowhere:Anything
no-class = clouds_elsewhere:np
"""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another distribution, installed beside ours: a module and its metadata in a folder of the path."""
    (tmp_path / "clouds_elsewhere.py").write_text(MODULE)
    metadata = tmp_path / "clouds_elsewhere-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: clouds-elsewhere\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("clouds_elsewhere", None)


def test_the_packaged_rule_is_installed_as_any_other():
    assert isinstance(load_cloud_detector("simple"), SimpleCloudRule)
    assert CogBuilderSettings().cloud_detector == "simple"


def test_a_detector_of_another_distribution_is_chosen_by_name(elsewhere):
    assert load_cloud_detector(CogBuilderSettings(cloud_detector="half").cloud_detector).reach_px == 3


def test_a_scene_is_built_with_the_detector_that_is_chosen(elsewhere, tmp_path):
    folder = tmp_path / "scene"
    folder.mkdir()
    settings = CogBuilderSettings(cloud_detector="half", workers=1)
    build(tiny_delivery("gf1-wfv", tmp_path), folder, elevation=hills(), settings=settings)
    flags = pixels_of(folder / "quality.tif")[..., 0]
    even, odd = ({int(flag) for flag in np.unique(flags[:, start::2])} - {FILL} for start in (0, 1))
    assert {frozenset(even), frozenset(odd)} == {frozenset({CLOUD}), frozenset({CLOUD_SHADOW})}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none", "'none' is no cloud detector; installed are .*half.*simple"),
        ("unmeasured", r"unmeasured \(clouds_elsewhere:Unmeasured\) cannot be loaded: .*pixel_m"),
        ("backwards", "backwards .* pixel_m or reach_px is below 0"),
        ("lost", "lost .* cannot be loaded: .*Nothing"),
        ("missing", "missing .* cannot be loaded: .*clouds_nowhere"),
        ("no-class", "no-class .* cannot be loaded: .*not callable"),
    ],
)
def test_a_detector_that_cannot_be_used_is_a_bad_setting(elsewhere, name, reason):
    with pytest.raises(ValidationError, match=reason):
        CogBuilderSettings(cloud_detector=name)


def test_a_command_with_an_unknown_detector_ends_with_the_code_of_bad_settings(tmp_path):
    delivery = tmp_path / "delivery"
    delivery.mkdir()
    done = imagery_node("build", delivery, "--out", tmp_path / "out", variables={"COG_BUILDER_CLOUD_DETECTOR": "none"})
    assert done.returncode == 78
    assert "COG_BUILDER_CLOUD_DETECTOR: 'none' is no cloud detector; installed are simple" in done.stderr
