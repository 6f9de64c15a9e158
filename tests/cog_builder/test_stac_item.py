"""What an Item says of a scene and its files."""

import hashlib
import json
from dataclasses import replace

import pytest
import shapely

from cog_builder.elevation import ConstantHeight
from cog_builder.sensor import known_sensors
from cog_builder.stac_item import scene_item, write_item
from tests.support.built import built
from tests.support.deliveries import opened


@pytest.fixture
def describe(tmp_path):
    """The Item of a built scene of which some facts are others."""
    whole = built("gf2-pms")
    scene = opened(whole.delivery, tmp_path)

    def describing(**changes):
        geometry = shapely.box(116, 39, 116.1, 39.2)
        return scene_item(replace(scene, **changes), whole.folder, geometry=geometry, elevation=ConstantHeight(250))

    return describing


def test_what_is_not_known_is_left_out(describe):
    item = describe(cloud_cover=None, orbit=None, incidence_angle=None, view_azimuth=None, facts={}, warnings=())
    absent = {
        "eo:cloud_cover",
        "sat:absolute_orbit",
        "view:incidence_angle",
        "view:off_nadir",
        "view:azimuth",
        "imagery_node:source",
        "imagery_node:warnings",
    }
    assert not absent & item["properties"].keys()
    assert None not in item["properties"].values()


def test_a_clear_sky_is_known(describe):
    assert describe(cloud_cover=0.0)["properties"]["eo:cloud_cover"] == 0


def test_warnings_and_facts_are_kept(describe):
    properties = describe(warnings=("sun_position: 3° off",), facts={"SceneID": "1"})["properties"]
    assert properties["imagery_node:warnings"] == ["sun_position: 3° off"]
    assert properties["imagery_node:source"] == {"SceneID": "1"}


def test_the_footprint_is_the_geometry_that_is_given(describe):
    item = describe()
    assert shapely.geometry.shape(item["geometry"]).equals(shapely.box(116, 39, 116.1, 39.2))
    assert item["bbox"] == [116, 39, 116.1, 39.2]


def test_the_lineage_says_how_the_pixels_came_about(describe):
    lineage = describe()["properties"]["processing:lineage"]
    ground = "RPC and constant height 250 m above the WGS 84 ellipsoid"
    for part in ("L1A", "gains from XML AbsCeof", ground, "pan-sharpened"):
        assert part in lineage
    assert "pan-sharpened" not in describe(pan=None)["properties"]["processing:lineage"]


def test_every_asset_is_a_file_with_its_size_and_checksum(describe):
    folder = built("gf2-pms").folder
    assets = describe()["assets"]
    assert {asset["href"].split("/")[-1] for asset in assets.values()} | {"item.json"} == {
        path.name for path in folder.rglob("*") if path.is_file()
    }
    for asset in assets.values():
        content = (folder / asset["href"]).read_bytes()
        assert asset["file:size"] == len(content)
        assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
        assert asset["type"]
        assert asset["roles"]


def test_side_files_of_the_pan_image_have_keys_of_their_own(describe):
    assets = describe()["assets"]
    assert {key: assets[key]["href"].split("-")[-1] for key in ("metadata", "metadata-pan", "rpc", "rpc-pan")} == {
        "metadata": "MSS2.xml",
        "metadata-pan": "PAN2.xml",
        "rpc": "MSS2.rpb",
        "rpc-pan": "PAN2.rpb",
    }


def test_bands_are_named_for_clients_of_both_stac_versions(describe):
    analytic = describe()["assets"]["analytic"]
    assert [band["name"] for band in analytic["bands"]] == ["B1", "B2", "B3", "B4"]
    assert [band["eo:common_name"] for band in analytic["bands"]] == ["blue", "green", "red", "nir"]
    assert [band["common_name"] for band in analytic["eo:bands"]] == ["blue", "green", "red", "nir"]
    for band in analytic["bands"]:
        assert (band["data_type"], band["nodata"], band["raster:scale"]) == ("uint16", 0, 0.0001)
        assert 0.4 < band["eo:center_wavelength"] < 0.9


def test_the_file_of_an_item_is_readable_json_with_chinese_names(describe, tmp_path):
    item = describe()
    write_item(item, tmp_path)
    text = (tmp_path / "item.json").read_text(encoding="utf-8")
    assert "中国资源卫星应用中心" in text
    assert json.loads(text) == item


def test_a_geostationary_satellite_leaves_straight_down_by_little_however_aslant_the_ground_sees_it(describe):
    item = describe(incidence_angle=40.0, sensor=known_sensors()["GF4", "PMS"])
    assert item["properties"]["view:off_nadir"] == pytest.approx(5.577, abs=0.01)
