import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from imagery_node import label
from imagery_node.animation import MAX_FRAMES
from imagery_node.composite import MAX_COMPOSITE_SCENES
from imagery_node.grid import WEB_MERCATOR_QUAD, get_grid
from tests.support.published import CORNER, address, node_at, put_collection

BOX = get_grid(WEB_MERCATOR_QUAD).bbox(CORNER)
PLACE = f"bbox={','.join(map(str, BOX))}&width=256"
LAYER = "/raster/layers/gf2-pms"
DATES = ["2024-03-01", "2024-06-05", "2024-09-10"]
MIDDLE = slice(64, 192), slice(64, 192)
"""Of a frame: no words are written there."""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with node_at(
        tmp_path_factory.mktemp("home"), attribution="影像：测试中心", review_number="GS(2024)1234号"
    ) as running:
        put_collection(running.store, "gf2-pms")
        for day, colour in zip(DATES, ((200, 60, 40), (40, 160, 60), (60, 60, 200)), strict=True):
            running.publish(f"ON-{day}", f"{day}T03:00:00Z", colour=colour)
        yield running


def frames(answer):
    assert answer.status_code == 200, answer.text
    shown = []
    for image in ImageSequence.Iterator(Image.open(io.BytesIO(answer.content))):
        pixels = np.array(image.convert("RGB")).astype(int)
        shown.append((image.info["duration"], pixels))  # WebP has it only once the frame is decoded
    return shown


@pytest.mark.parametrize(("media", "tolerance"), [("webp", 6), ("gif", 12)])
def test_each_frame_is_the_tile_of_its_date(node, media, tolerance):
    shown = frames(node.get(f"{LAYER}/animation.{media}?{PLACE}"))
    assert [delay for delay, _ in shown] == [1000] * 3
    for day, (_, frame) in zip(DATES, shown, strict=True):
        tile = node.get(f"{LAYER}/{address(suffix='.png')}?datetime={day}")
        expected = np.array(Image.open(io.BytesIO(tile.content)).convert("RGB")).astype(int)
        assert frame.shape == expected.shape
        assert np.abs(frame - expected)[MIDDLE].mean() < tolerance


def test_a_frame_before_its_words_are_written_equals_the_tile_to_the_last_bit(node, monkeypatch):
    drawn = []
    monkeypatch.setattr("imagery_node.animation.write_label", lambda image, *_: drawn.append(np.array(image)))
    frames(node.get(f"{LAYER}/animation.webp?{PLACE}&render=natural"))
    for day, frame in zip(DATES, drawn, strict=True):
        tile = node.get(f"{LAYER}/{address(suffix='.png')}?datetime={day}&render=natural")
        assert np.array_equal(frame, np.array(Image.open(io.BytesIO(tile.content)).convert("RGB")))


def test_the_date_and_the_credit_line_are_written_into_every_frame(node):
    shown = [frame for _, frame in frames(node.get(f"{LAYER}/animation.webp?{PLACE}&height=256"))]
    for day, frame in zip(DATES, shown, strict=True):
        tile = node.get(f"{LAYER}/{address(suffix='.png')}?datetime={day}")
        expected = np.array(Image.open(io.BytesIO(tile.content)).convert("RGB")).astype(int)
        written = np.abs(frame - expected).max(axis=2) > 100
        assert written[:32, :128].any()
        assert written[-32:].any()
        assert not written[MIDDLE].any()


def test_without_a_chinese_font_the_latin_letters_are_written(monkeypatch):
    monkeypatch.setattr(label, "_font_file", lambda: None)
    label._font.cache_clear()
    plain, credited = (Image.new("RGB", (300, 200)) for _ in range(2))
    label.write_label(plain, "2024-03-01", "影像")
    label.write_label(credited, "2024-03-01", "影像 GS(2024)")
    label._font.cache_clear()
    assert np.array(plain)[:60].any()
    assert not np.array(plain)[100:].any()
    assert np.array(credited)[100:].any()


def test_a_credit_line_too_long_for_the_picture_is_written_smaller():
    image = Image.new("RGB", (400, 300))
    label.write_label(image, "2024-03-01", "影像数据来源与审图号说明" * 3)
    written = np.array(image)[150:].any(axis=(0, 2))
    assert written.any()
    assert not written[-3:].any()


def test_the_height_follows_from_the_place_and_the_delay_is_the_callers(node):
    west, south, east, north = BOX
    wide = f"bbox={west},{south},{east + (east - west)},{north}"
    ((delay, frame),) = frames(node.get(f"{LAYER}/animation.gif?{wide}&width=200&delay=250&datetime={DATES[0]}"))
    assert (delay, frame.shape) == (250, (100, 200, 3))


def test_the_tag_holds_until_a_scene_of_the_place_comes(tmp_path):
    with node_at(tmp_path / "home") as node:
        put_collection(node.store, "gf2-pms")
        node.publish("ONE", "2024-03-01T03:00:00Z")
        path = f"{LAYER}/animation.webp?{PLACE}"
        tag = node.get(path).headers["etag"]
        node.publish("FAR", "2024-03-01T03:00:00Z", east=100)
        assert node.get(path, headers={"If-None-Match": tag}).status_code == 304
        assert node.get(path, headers={"If-None-Match": "*"}).status_code == 304
        node.publish("TWO", "2024-04-01T03:00:00Z")
        assert node.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_where_nothing_was_imaged_there_is_no_animation(node):
    assert node.get(f"{LAYER}/animation.webp?bbox=10,10,11,11").status_code == 404
    assert node.get(f"{LAYER}/animation.webp?{PLACE}&datetime=2020/2021").status_code == 404


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "limit.bbox"),
        ("bbox=179,0,-179,1", "limit.bbox"),
        ("bbox=0,84,1,86", "limit.bbox"),
        ("bbox=0,0,180,1e-320&height=64", "limit.bbox"),
        (f"{PLACE}0000", "limit.width"),
        (f"{PLACE}&height=0", "limit.height"),
        (f"{PLACE}&height=1025", "limit.width"),
        (f"{PLACE.replace('=256', '=4096')}&height=1", "limit.width"),
        (f"{PLACE}&delay=19", "limit.delay"),
        (f"{PLACE}&delay=10001", "limit.delay"),
        (f"{PLACE.replace('=256', '=2400')}", "limit.width"),
        (f"{PLACE.replace('=256', '=2365')}&feather=4", "limit.width"),
    ],
)
def test_a_place_or_size_out_of_bounds_is_refused(node, query, code):
    answer = node.get(f"{LAYER}/animation.webp?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_composite_of_more_scenes_than_it_may_have_says_that_it_is_incomplete(tmp_path):  # L08, L19
    with node_at(tmp_path / "home") as node:
        put_collection(node.store, "gf2-pms")
        for number in range(MAX_COMPOSITE_SCENES):
            node.publish(f"S{number}", f"2024-01-01T03:00:{number:02}Z")
        path = f"{LAYER}/animation.webp?rule=median&{PLACE.replace('=256', '=32')}"
        whole = node.get(path)
        assert (whole.status_code, whole.headers.get("imagery-complete")) == (200, None)
        node.publish("ONE-MORE", "2024-01-01T03:00:59Z")
        assert node.get(path).headers["imagery-complete"] == "false"
        wide = node.get(path.replace("=32", "=1000"))
        assert (wide.status_code, wide.json()["code"]) == (400, "limit.width")


def test_more_dates_than_frames_are_refused(tmp_path):
    with node_at(tmp_path / "home") as node:
        put_collection(node.store, "gf2-pms")
        for number in range(MAX_FRAMES + 1):
            node.publish(f"S{number}", f"2024-{1 + number // 28:02}-{1 + number % 28:02}T03:00:00Z")
        answer = node.get(f"{LAYER}/animation.webp?{PLACE.replace('=256', '=32')}")
        assert (answer.status_code, answer.json()["code"]) == (400, "limit.dates")
        last = "datetime=2024-01-02T00:00:00Z/.."
        shown = frames(node.get(f"{LAYER}/animation.webp?{PLACE.replace('=256', '=32')}&{last}"))
        assert sum(delay for delay, _ in shown) == 1000 * MAX_FRAMES  # equal ones are stored as one that lasts longer
