"""The commands as a user runs them: exit codes, JSON lines, the progress bar, and built folders that are published."""

import json
import os
import pty
import re
import shutil
from contextlib import suppress

import pytest

from tests.support.built import built
from tests.support.command import files_of, imagery_node, in_process, left_in_staging, told
from tests.support.deliveries import set_tag, the_file
from tests.support.simulated import tiny_delivery, tiny_dem

TITLE = "GF1_WFV3_E116.4_N39.9_20220315_L1A0004819777"
ITEM = "GF1_WFV3_20220315T032011_L1A4819777"
ESCAPE = "\x1b["


def terminal_output(*arguments):
    """What a command writes to stderr when that is a terminal."""
    ours, theirs = pty.openpty()
    try:
        done = imagery_node(*arguments, stderr=theirs, variables={"TERM": "xterm-256color", "COLUMNS": "120"})
    finally:
        os.close(theirs)
    shown = b""
    with suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:  # reading past the end is an error here
        while part := terminal.read(65_536):
            shown += part
    assert done.returncode == 0
    return shown.decode()


class TestInspect:
    def test_tells_what_deliveries_are(self):
        done = in_process("inspect", built("gf1-wfv").delivery, built("gf2-pms").delivery, "--json")
        assert done.returncode == 0
        line = told(done)[f"{TITLE}.tar.gz"]
        assert (line["state"], line["item_id"], line["datetime"]) == ("good", ITEM, "2022-03-15T03:20:11Z")
        [image] = line["images"]
        assert (image["kind"], image["gsd_m"], image["bands"]) == ("ms", 16.0, ["B1", "B2", "B3", "B4"])
        [part] = image["parts"]
        assert (part["files"], part["width"], part["height"]) == ([f"{TITLE}.tiff"], 200, 190)
        assert line["side_files"] == [f"{TITLE}.xml", f"{TITLE}.rpb"]
        assert [image["kind"] for image in told(done)[built("gf2-pms").delivery.name]["images"]] == ["ms", "pan"]

    def test_knows_roughly_where_the_corners_are(self):
        delivery = built("gf1-wfv")
        [image] = told(in_process("inspect", delivery.delivery, "--json"))[f"{TITLE}.tar.gz"]["images"]
        corners = image["parts"][0]["corners"]
        west, _, _, north = delivery.item["bbox"]
        assert min(corner[0] for corner in corners) == pytest.approx(west, abs=0.002)
        assert max(corner[1] for corner in corners) == pytest.approx(north, abs=0.002)
        top_left, top_right, bottom_right, bottom_left = corners
        assert top_left[0] < top_right[0]
        assert bottom_left[0] < bottom_right[0]
        assert bottom_left[1] < top_left[1]

    def test_says_it_in_one_line_for_people(self):
        done = in_process("inspect", built("gf2-pms").delivery)
        assert done.stdout == (
            f"good  {built('gf2-pms').delivery.name}  GF2 PMS2  2024-10-12 03:22:47 UTC  L1A  cloud 0 %  "
            "ms 180×170 at 3.24 m  pan 720×680 at 0.81 m  calibration XML AbsCeof  no warnings\n"
        )

    def test_names_the_warnings_in_that_line(self, tmp_path):
        delivery = tiny_delivery("gf1-wfv", tmp_path, packing="folder")
        set_tag(the_file(delivery, ".xml"), "SolarZenith", "20.5")
        [line] = in_process("inspect", delivery).stdout.splitlines()
        assert line.endswith("  1 warning (sun_position)")

    def test_refuses_a_path_that_is_not_there_and_looks_at_the_others(self):
        done = in_process("inspect", "/nowhere/GF1.tar.gz", built("gf2-pms").delivery, "--json")
        assert done.returncode == 1
        assert told(done)["GF1.tar.gz"]["reason"] == "GF1.tar.gz: no such file or folder"
        assert told(done)[built("gf2-pms").delivery.name]["state"] == "good"

    def test_knows_a_scene_that_is_built_already(self, tmp_path):
        folder = shutil.copytree(built("gf1-wfv").folder, tmp_path / "scene")
        assert in_process("inspect", folder).stdout == (
            f"built  scene  scene {ITEM} of gf1-wfv, built: analytic, metadata, quality, rpc, thumbnail, visual\n"
        )
        (folder / "analytic.tif").unlink()
        done = in_process("inspect", folder, "--json")
        assert (done.returncode, told(done)["scene"]["code"]) == (1, "invalid_item")

    def test_ends_with_1_when_one_is_refused_and_looks_at_the_others(self, tmp_path):
        bad = tiny_delivery("gf1-wfv", tmp_path, packing="folder")
        the_file(bad, ".rpb").unlink()
        done = in_process("inspect", bad, built("gf2-pms").delivery)
        assert done.returncode == 1
        refused, good = (line for line in done.stdout.splitlines() if not line.startswith(" "))
        assert refused.startswith(f"refused  {TITLE}  code=incomplete_delivery  reason=")
        assert good.startswith("good  GF2_PMS2_")

    def test_leaves_the_delivery_as_it_was(self, tmp_path):
        delivery = tiny_delivery("gf1-wfv", tmp_path, packing="folder")
        before = sorted(path.name for path in delivery.iterdir())
        assert in_process("inspect", delivery).returncode == 0
        assert sorted(path.name for path in delivery.iterdir()) == before


class TestBuild:
    @pytest.fixture(scope="class")
    @staticmethod
    def out(tmp_path_factory):
        """A folder with one built scene."""
        out = tmp_path_factory.mktemp("build") / "out"
        done = in_process("build", built("gf1-wfv").delivery, "--out", out, "--dem", tiny_dem(), "--json")
        line = told(done)[f"{TITLE}.tar.gz"]
        assert (done.returncode, line["state"], line["folder"]) == (0, "built", str(out / ITEM))
        return out

    def test_makes_the_same_files_as_the_library(self, out):
        for path in built("gf1-wfv").folder.glob("*.tif"):
            assert (out / ITEM / path.name).read_bytes() == path.read_bytes()

    def test_leaves_nothing_else_in_the_folder(self, out):
        assert [path.name for path in out.iterdir()] == [ITEM]
        assert (out / ITEM).stat().st_mode & 0o055 == 0o055

    def test_a_second_time_keeps_what_is_there(self, out):
        before = (out / ITEM / "item.json").read_bytes()
        done = in_process("build", built("gf1-wfv").delivery, "--out", out, "--dem", tiny_dem(), "--json")
        assert done.returncode == 0
        assert told(done)[f"{TITLE}.tar.gz"]["state"] == "already_built"
        assert (out / ITEM / "item.json").read_bytes() == before
        assert [path.name for path in out.iterdir()] == [ITEM]

    def test_refuses_with_1_and_leaves_nothing(self, tmp_path):
        done = in_process("build", built("gf1-wfv").delivery, "--out", tmp_path / "out", "--json")
        assert done.returncode == 1
        assert told(done)[f"{TITLE}.tar.gz"]["code"] == "geolocation"
        assert list((tmp_path / "out").iterdir()) == []

    def test_its_folder_is_published_by_copying(self, out, tmp_path):
        before = sorted(path.relative_to(out) for path in out.rglob("*"))
        done = in_process("publish", out / ITEM, "--home", tmp_path / "home", "--json")
        assert done.returncode == 0
        assert told(done)[ITEM] == {
            "delivery": ITEM,
            "state": "published",
            "item_id": ITEM,
            "collection": "gf1-wfv",
            "version": "1",
            "warnings": [],
        }
        assert sorted(path.relative_to(out) for path in out.rglob("*")) == before
        published = {path.name for path in (tmp_path / f"home/scenes/gf1-wfv/{ITEM}/1").iterdir()}
        assert published == {path.name for path in (out / ITEM).iterdir()}

    @pytest.mark.parametrize("asset", ["analytic.tif", "visual.tif", "thumbnail.webp"])
    def test_a_damaged_folder_is_not_published(self, out, tmp_path, asset):
        folder = shutil.copytree(out / ITEM, tmp_path / "damaged")
        data = bytearray((folder / asset).read_bytes())
        data[len(data) // 2] ^= 0x10
        (folder / asset).write_bytes(data)
        done = in_process("publish", folder, "--home", tmp_path / "home", "--json")
        line = told(done)["damaged"]
        assert done.returncode == 1
        assert line["code"] in {"invalid_item", "invalid_cog"}
        assert ITEM in line["reason"]
        assert asset.split(".")[0] in line["reason"]
        assert files_of(tmp_path / "home") == {}
        assert left_in_staging(tmp_path / "home") == []


class TestWrongUse:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["watch", "/nowhere"],
            ["publish", "/tmp", "--dask", "somewhere"],
            ["publish"],
            ["build", "/tmp"],
            ["inspect", "/tmp", "--colour"],
            ["publish", "/tmp", "--dem", "/nowhere/dem.tif"],
            ["publish", "/tmp", "--dem", "/dev/null", "--height", "3"],
            ["publish", "/tmp", "--workers", "0"],
            ["simulate", "/tmp/nothing", "--pixels", "3"],
            ["fly"],
        ],
        ids=" ".join,
    )
    def test_of_a_command_ends_with_2(self, arguments):
        done = in_process(*arguments)
        assert done.returncode == 2
        assert "Usage:" in done.stderr
        assert done.stdout == ""

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("COG_BUILDER_MEMORY_MIB", "1", "COG_BUILDER_MEMORY_MIB: Input should be greater than or equal to 400"),
            ("COG_BUILDER_MEMORY", "900", "unknown settings: COG_BUILDER_MEMORY"),
            ("COG_BUILDER_TARGET_CRS", "EPSG:2154", "is no CRS that scenes are built in"),
            ("CATALOG_GRACE_S", "soon", "CATALOG_GRACE_S: "),
            ("CATALOG_ROOTS", "/", "unknown settings: CATALOG_ROOTS"),
        ],
    )
    def test_of_a_setting_ends_with_78(self, tmp_path, monkeypatch, name, value, said):
        monkeypatch.setenv(name, value)
        done = in_process("publish", tmp_path, "--home", tmp_path / "home")
        assert done.returncode == 78
        assert said in done.stderr
        assert not (tmp_path / "home").exists()

    def test_of_a_home_that_cannot_be_written_ends_with_78(self, tmp_path):
        done = in_process("publish", tmp_path, "--home", "/proc/home")
        assert done.returncode == 78
        assert done.stderr.startswith("--home /proc/home: ")


class TestTheProgressBar:
    def test_is_drawn_on_a_terminal(self, tmp_path):
        delivery = built("gf1-wfv").delivery
        shown = terminal_output("build", delivery, "--out", tmp_path, "--dem", tiny_dem(), "--json")
        assert ESCAPE in shown
        assert TITLE in shown
        assert re.search(r"\d+%", shown)

    def test_stays_away_from_files_and_pipes(self, tmp_path):
        done = imagery_node("build", built("gf1-wfv").delivery, "--out", tmp_path, "--dem", tiny_dem())
        assert done.stderr == ""
        assert ESCAPE not in done.stdout
        assert done.stdout.startswith(f"built  {TITLE}.tar.gz  item_id={ITEM}")


class TestSimulate:
    def test_makes_a_delivery_that_builds(self, tmp_path):
        done = imagery_node("simulate", tmp_path, "--satellite", "GF2", "--sensor", "PMS1", "--pixels", 96)
        assert (done.returncode, done.stderr) == (0, "")
        [delivery] = tmp_path.glob("GF2_PMS1_*_L1A*.tar.gz")
        assert done.stdout == f"{delivery}\n"
        made = in_process("build", delivery, "--out", tmp_path / "out", "--dem", tmp_path / "dem.tif", "--json")
        line = told(made)[delivery.name]
        assert line["state"] == "built"
        assert [warning.split(":")[0] for warning in line["warnings"]] == ["vertical_datum"]
        item = json.loads((tmp_path / "out" / line["item_id"] / "item.json").read_text())
        assert (item["collection"], item["properties"]["gsd"]) == ("gf2-pms", 0.81)

    def test_refuses_what_it_does_not_know(self, tmp_path):
        done = in_process("simulate", tmp_path, "--satellite", "GF9")
        assert done.returncode == 1
        assert "GF9 PMS1: unknown, expected one of" in done.stderr
