"""A strip of four scenes under four skies, published with and without a colour balance."""

import json
import shutil

import numpy as np
import pytest

from benchmarks.balance import HEIGHT_M, overlap_differences, pictures, simulate_strip
from tests.support.command import files_of, in_process, told
from tests.support.simulated import LATITUDE, LONGITUDE, Patchwork

SENSORS = {"PMS1": "gf1-pms", "WFV3": "gf1-wfv"}


def publish(deliveries, home, *options):
    done = in_process("publish", *deliveries, "--home", home, "--height", HEIGHT_M, "--json", *options)
    assert done.returncode == 0, done.stdout
    return told(done)


def items_of(home):
    """The listed items by date."""
    newest = [json.loads(path.with_name("item.json").read_text()) for path in pictures(home)]
    return [item["properties"] | {"id": item["id"]} for item in newest]


def mean_difference(home):
    """Of mean colours and of pixels, over the overlaps."""
    return np.mean(overlap_differences(pictures(home)), axis=0)


def without_pictures(home):
    return {name: digest for name, digest in files_of(home).items() if "visual" not in name and "thumbnail" not in name}


def shuffled(deliveries):
    """As a folder might list them: the two ends before what joins them."""
    return [deliveries[number] for number in (2, 0, 3, 1)]


@pytest.fixture(scope="module", params=SENSORS)
def strip(request, tmp_path_factory):
    """The deliveries from north to south, and nodes that hold them: plain, `none` and `neighbours`."""
    root = tmp_path_factory.mktemp(request.param)
    place = (LONGITUDE, LATITUDE)
    deliveries = simulate_strip(root, Patchwork(), place, sensor=request.param, width=200, height=190)
    homes = {name: root / name for name in ("plain", "none", "neighbours")}
    publish(deliveries, homes["plain"])
    publish(deliveries, homes["none"], "--balance", "none")
    publish(shuffled(deliveries), homes["neighbours"], "--balance", "neighbours")
    return deliveries, homes


def test_neighbours_differ_at_least_five_times_less(strip):
    _, homes = strip
    before, after = mean_difference(homes["none"]), mean_difference(homes["neighbours"])
    assert before.min() > 15  # levels of 255: else there was nothing to balance
    assert (before / after > 5).all()


def test_none_leaves_the_pixels_untouched(strip):
    _, homes = strip
    assert files_of(homes["none"]) == files_of(homes["plain"])
    assert not any("imagery_node:balance" in item for item in items_of(homes["none"]))


def test_it_is_baked_into_the_picture_alone(strip):
    _, homes = strip
    assert without_pictures(homes["neighbours"]) == without_pictures(homes["none"])
    pairs = zip(pictures(homes["none"]), pictures(homes["neighbours"]), strict=True)
    assert [plain.read_bytes() == balanced.read_bytes() for plain, balanced in pairs] == [False, False, True, False]


def test_the_item_says_what_was_done(strip):
    _, homes = strip
    items = items_of(homes["neighbours"])
    balances = [item.get("imagery_node:balance") for item in items]
    ids = [item["id"] for item in items]
    assert balances[2] is None  # the first of the command; the strip grows from it
    for number, beside in ((0, 1), (1, 2), (3, 2)):
        assert balances[number].keys() == {"gains", "offsets", "neighbours", "pixels"}
        assert balances[number]["gains"].keys() == balances[number]["offsets"].keys() == {"B3", "B2", "B1"}
        assert balances[number]["neighbours"] == [ids[beside]]
        assert balances[number]["pixels"] >= 100


def test_a_plain_strip_that_is_made_again_is_as_well_balanced(strip, tmp_path):
    deliveries, homes = strip
    home = shutil.copytree(homes["plain"], tmp_path / "home")
    lines = publish(shuffled(deliveries), home, "--replace", "--balance", "neighbours").values()
    assert {line["version"] for line in lines} == {"2"}
    again = [path.parents[1] / "2" / "visual.tif" for path in pictures(homes["neighbours"])]
    again = [home / path.relative_to(homes["neighbours"]) for path in again]
    assert overlap_differences(again) == overlap_differences(pictures(homes["neighbours"]))


def test_a_picture_is_made_again_without_it_from_the_delivery(strip, tmp_path):
    deliveries, homes = strip
    home = tmp_path / "home"
    publish(deliveries[:2], home, "--balance", "neighbours")
    [line] = publish(deliveries[1:2], home, "--replace", "--balance", "none").values()
    assert (line["state"], line["version"]) == ("published", "2")
    collection, item_id = line["collection"], line["item_id"]
    again = home / "scenes" / collection / item_id / "2" / "visual.tif"
    assert again.read_bytes() == (homes["none"] / "scenes" / collection / item_id / "1" / "visual.tif").read_bytes()
