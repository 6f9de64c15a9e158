"""Bad input, end to end: a batch of bad deliveries and a good one; each is refused by name, the store knows of none."""

import re
import shutil
import tarfile

import pytest

from cog_builder.elevation import ConstantHeight
from tests.support.built import built
from tests.support.command import files_of, imagery_node, left_in_staging, told
from tests.support.deliveries import members_of, set_tag, tar_of, the_file, zip_of
from tests.support.simulated import tiny_delivery, tiny_dem
from tests.support.small_files import NO_BYTECODE, limit_files
from tests.support.tiffs import read_tiff, write_tiff

TITLE = "GF1_WFV3_E116.4_N39.9_20220315_L1A0004819777"
ITEM = "GF1_WFV3_20220315T032011_L1A4819777"
BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]><ProductMetaData>&b;</ProductMetaData>'
GOOD, AGAIN = "good.tar.gz", "delivered-again.zip"


def without(ending):
    return lambda folder: the_file(folder, ending).unlink()


def tiff_cut_short(folder):
    path = the_file(folder, ".tiff")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def tiff_damaged(folder):
    path = the_file(folder, ".tiff")
    pixels = read_tiff(path)
    path.unlink()
    write_tiff(path, pixels, compress="deflate")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 5000] = bytes(5000)
    path.write_bytes(data)


def xml_of_another_width(folder):
    set_tag(the_file(folder, ".xml"), "WidthInPixels", "333")


def xml_bomb(folder):
    the_file(folder, ".xml").write_text(BOMB)


def rpb_nan(folder):
    path = the_file(folder, ".rpb")
    before, _, rest = path.read_text().partition("lineScale = ")
    path.write_text(f"{before}lineScale = nan;{rest.partition(';')[2]}")


def rpb_of_nineteen(folder):
    path = the_file(folder, ".rpb")
    lines = path.read_text().splitlines()
    at = next(index for index, line in enumerate(lines) if "sampDenCoef" in line)
    path.write_text("\n".join([*lines[: at + 2], *lines[at + 3 :]]) + "\n")


BROKEN = {
    "no RPB": (without(".rpb"), "incomplete_delivery", rf"{TITLE}\.rpb is missing"),
    "no XML": (without(".xml"), "incomplete_delivery", rf"{TITLE}\.xml is missing"),
    "no TIFF": (without(".tiff"), "incomplete_delivery", rf"no TIFF, expected {TITLE}\.tiff|{TITLE}\.tiff is missing"),
    "TIFF cut short": (tiff_cut_short, "incomplete_delivery", rf"{TITLE}\.tiff: .* cut short"),
    "TIFF damaged": (tiff_damaged, "unreadable_image", rf"{TITLE}\.tiff: cannot be decoded"),
    "TIFF and XML disagree": (xml_of_another_width, "bad_metadata", rf"{TITLE}\.tiff.* 200 columns, expected 333"),
    "XML bomb": (xml_bomb, "bad_metadata", rf"{TITLE}\.xml: holds a document type or entities"),
    "RPB NaN": (rpb_nan, "bad_metadata", rf"{TITLE}\.rpb: lineScale holds 'nan', expected a finite number"),
    "RPB wrong count": (rpb_of_nineteen, "bad_metadata", rf"{TITLE}\.rpb: .*sampDenCoef has 19 .*, expected 20"),
}


def special(name, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info, b""


MEMBERS = {
    "climbing": (("../evil.xml", b"<x/>"), r"'?\.\./evil\.xml'? leads out of the archive"),
    "symlink": (special("evil.tiff", tarfile.SYMTYPE), r"evil\.tiff.* symbolic link, expected regular files"),
    "hardlink": (special("evil.tiff", tarfile.LNKTYPE), r"evil\.tiff.* hard link, expected regular files"),
    "device": (special("evil.tiff", tarfile.CHRTYPE), r"evil\.tiff.* character device, expected regular files"),
}


def file_name(case):
    return f"{case.replace(' ', '-')}.tar.gz"


EXPECTED = {
    **{file_name(case): (code, said) for case, (_, code, said) in BROKEN.items()},
    **{file_name(case): ("unsafe_archive", said) for case, (_, said) in MEMBERS.items()},
    "cut.tar.gz": ("incomplete_delivery", r"cut\.tar\.gz: .*cut short"),
    "cut.zip": ("incomplete_delivery", r"cut\.zip: .*cut short"),
    "letter.txt": ("unrecognised_delivery", r"letter\.txt: begins with .* expected a folder, tar"),
    "elsewhere.tar.gz": (
        "geolocation",
        r"GF1_WFV3_E88\.0_.*: dem\.tif: .* covers 116\.3400, .*the scene needs 87\.9\d+, .*degrees",
    ),
}


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory):
    """The bad deliveries around a good one, and the good one once more under another name."""
    inbox = tmp_path_factory.mktemp("inbox")
    whole = tiny_delivery("gf1-wfv", tmp_path_factory.mktemp("whole"), packing="folder")
    members = members_of(whole)
    for case, (breaking, _, _) in BROKEN.items():
        folder = shutil.copytree(whole, tmp_path_factory.mktemp("broken") / whole.name)
        breaking(folder)
        tar_of(inbox / file_name(case), members_of(folder))
    for case, (member, _) in MEMBERS.items():
        tar_of(inbox / file_name(case), [*members, member])
    for name, pack in ((GOOD, tar_of), ("cut.tar.gz", tar_of), (AGAIN, zip_of), ("cut.zip", zip_of)):
        pack(inbox / name, members)
    for path in (inbox / "cut.tar.gz", inbox / "cut.zip"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    (inbox / "letter.txt").write_text("Dear customer,")
    elsewhere = tiny_delivery("gf1-wfv", inbox, longitude=88.0, elevation=ConstantHeight(100.0), product_id=77)
    elsewhere.rename(inbox / "elsewhere.tar.gz")
    return inbox


@pytest.fixture(scope="module")
def clean_home(deliveries, tmp_path_factory):
    """A node that only the good delivery went to."""
    home = tmp_path_factory.mktemp("clean") / "home"
    done = imagery_node("publish", deliveries / GOOD, "--home", home, "--dem", tiny_dem(), "--json")
    assert done.returncode == 0
    return home


@pytest.fixture(scope="module")
def batch(deliveries, tmp_path_factory):
    """The home and the answers of one batch; the good delivery in the middle, its double at the end."""
    home = tmp_path_factory.mktemp("batch") / "home"
    bad = sorted(deliveries / name for name in EXPECTED)
    assert {path.name for path in deliveries.iterdir()} == {path.name for path in bad} | {GOOD, AGAIN}
    order = [*bad[:9], deliveries / GOOD, *bad[9:], deliveries / AGAIN]
    return home, imagery_node("publish", *order, "--home", home, "--dem", tiny_dem(), "--json")


def test_the_batch_goes_on_and_ends_with_exit_code_1(batch):
    _, done = batch
    assert done.returncode == 1
    assert all(" INFO " in line for line in done.stderr.splitlines())
    states = {name: line["state"] for name, line in told(done).items()}
    assert states == dict.fromkeys(EXPECTED, "refused") | {GOOD: "published", AGAIN: "already_published"}


@pytest.mark.parametrize(("name", "code", "said"), [(name, *rest) for name, rest in EXPECTED.items()], ids=EXPECTED)
def test_each_is_refused_with_its_code_and_what_was_found(batch, name, code, said):
    line = told(batch[1])[name]
    assert line["code"] == code
    assert re.search(said, line["reason"]), line["reason"]
    assert name in line["reason"] or "GF1_WFV3_E" in line["reason"]
    assert "\n" not in line["reason"]


def test_the_good_one_is_published_as_if_it_had_been_alone(batch, clean_home):
    home, done = batch
    line = told(done)[GOOD]
    assert (line["item_id"], line["collection"], line["version"]) == (ITEM, "gf1-wfv", "1")
    assert files_of(home) == files_of(clean_home)
    assert f"scenes/gf1-wfv/{ITEM}/1/visual.tif" in files_of(home)
    assert left_in_staging(home) == []
    verified = imagery_node("catalog", "verify", "--home", home)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "0 problems\n")


def test_a_second_delivery_of_the_scene_under_another_name_is_recognised(batch, clean_home, deliveries):
    line = told(batch[1])[AGAIN]
    assert (line["item_id"], line["version"]) == (ITEM, "1")
    before = files_of(clean_home)
    done = imagery_node("publish", deliveries / AGAIN, "--home", clean_home, "--json")
    assert done.returncode == 0
    assert told(done)[AGAIN]["state"] == "already_published"
    assert files_of(clean_home) == before


def test_a_scene_without_any_elevation_is_refused(deliveries, tmp_path):
    done = imagery_node("publish", deliveries / GOOD, "--home", tmp_path / "home", "--json")
    line = told(done)[GOOD]
    assert (done.returncode, line["code"]) == (1, "geolocation")
    assert f"{TITLE}: no elevation" in line["reason"]
    assert "--dem FILE" in line["reason"]
    assert files_of(tmp_path / "home") == {}
    assert left_in_staging(tmp_path / "home") == []


class TestAFullDisk:
    """A limit on the size of files stands in for it: the system answers a write with an error in the same places."""

    def publish(self, home, path, *options, limit=None, variables=None):
        before = files_of(home)
        done = imagery_node(
            "publish",
            path,
            *options,
            "--home",
            home,
            "--dem",
            tiny_dem(),
            "--json",
            variables=NO_BYTECODE | (variables or {}),
            preexec_fn=limit and limit_files(limit),
        )
        line = told(done)[path.name]
        assert (done.returncode, line["state"], line["code"]) == (1, "refused", "disk_full")
        assert files_of(home) == before
        assert left_in_staging(home) == []
        return line["reason"]

    def test_while_unpacking(self, clean_home):
        reason = self.publish(clean_home, built("gf1-pms").delivery, limit=100 * 1024)
        assert re.search(r"L1A0006312201\.tar\.gz: unpacking .*\.tiff: File too large; free some space", reason)

    def test_while_decoding(self, clean_home, tmp_path):
        delivery = tiny_delivery("gf1-pms", tmp_path, packing="folder")
        reason = self.publish(clean_home, delivery, limit=400 * 1024)
        assert re.search(r"-PAN1\.tiff: no room for 768000 bytes of raw pixels", reason)

    def test_while_writing_the_files_of_the_scene(self, clean_home):
        reason = self.publish(clean_home, built("gf1-pms").delivery, limit=900 * 1024)
        assert re.search(r"L1A0006312201: File too large; free some space", reason)

    @pytest.mark.parametrize("step", ["copy", "seal"])
    def test_while_publishing(self, clean_home, step):
        variables = {"NODE_REHEARSAL": "1", "NODE_FAILPOINT": f"{step}:enospc"}
        reason = self.publish(clean_home, built("gf1-pms").folder, variables=variables)
        assert "GF1_PMS1_20220315T032011_L1A6312201: No space left on device; free some space" in reason

    def test_beyond_the_reserve_of_the_settings(self, clean_home):
        variables = {"CATALOG_DISK_RESERVE_MIB": "100000000"}
        reason = self.publish(clean_home, built("gf1-pms").folder, variables=variables)
        assert "free beyond the reserve of 100000000 MiB" in reason

    def test_with_no_room_for_the_catalogue(self, deliveries, tmp_path):
        limited = {"preexec_fn": limit_files(10_000), "variables": NO_BYTECODE}
        done = imagery_node("publish", deliveries / GOOD, "--home", tmp_path / "home", **limited)
        assert done.returncode == 1
        assert "refused (" in done.stderr
        assert "Traceback" not in done.stderr
