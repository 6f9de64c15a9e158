import struct

import numpy as np
import pytest

from cog_builder.deliveries.tiff_header import read_tiff_header
from cog_builder.errors import CogBuilderError, IncompleteDeliveryError, UnreadableImageError
from tests.support.tiffs import positions, write_tiff

LAYOUTS = [
    {"interleave": "pixel"},
    {"interleave": "band"},
    {"interleave": "pixel", "compress": "lzw"},
    {"interleave": "band", "compress": "deflate", "predictor": 2},
    {"interleave": "pixel", "tiled": True, "blockxsize": 32, "blockysize": 48},
    {"interleave": "band", "tiled": True, "blockxsize": 16, "blockysize": 16},
    {"interleave": "pixel", "BIGTIFF": "YES"},
    {"interleave": "pixel", "ENDIANNESS": "BIG"},
    {"interleave": "pixel", "blockysize": 90},
]


@pytest.fixture
def tiff(tmp_path):
    return write_tiff(tmp_path / "GF1_x-MSS1.tiff", positions(90, 70, 4), interleave="pixel")


def crafted(path, *entries, following=0, size=4096):
    """A little-endian TIFF of (tag, type, count, value) entries."""
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    path.write_bytes((b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", following)).ljust(size, b"\1"))
    return path


def shape_tags(width, height, rows_per_strip, bands=1):
    return [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 16),
        (259, 3, 1, 5),
        (273, 4, 1, 1000),
        (277, 3, 1, bands),
        (278, 4, 1, rows_per_strip),
        (279, 4, 1, 2000),
    ]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_every_layout_is_understood(tmp_path, layout):
    header = read_tiff_header(write_tiff(tmp_path / "a.tiff", positions(90, 70, 4), **layout))
    assert (header.width, header.height, header.band_count) == (70, 90, 4)
    assert (header.sample_bits, header.sample_format) == (16, 1)


@pytest.mark.parametrize(("dtype", "bits", "kind"), [("uint8", 8, 1), ("int16", 16, 2), ("float32", 32, 3)])
def test_the_sample_type_is_told(tmp_path, dtype, bits, kind):
    header = read_tiff_header(write_tiff(tmp_path / "a.tiff", np.ones((9, 7, 1), dtype)))
    assert (header.sample_bits, header.sample_format) == (bits, kind)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("share", [0.0, 0.0002, 0.01, 0.5, 0.97])
def test_a_file_that_is_cut_anywhere_is_refused(tmp_path, layout, share):
    path = write_tiff(tmp_path / "a.tiff", positions(90, 70, 4), **layout)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(IncompleteDeliveryError, match=r"a\.tiff: .* cut short"):
        read_tiff_header(path)


def test_a_sparse_file_is_refused(tmp_path):
    path = write_tiff(tmp_path / "a.tiff", np.zeros((90, 70, 1), np.uint16), sparse_ok=True)
    with pytest.raises(IncompleteDeliveryError, match=r"block 0 of .* is empty"):
        read_tiff_header(path)


@pytest.mark.parametrize(
    "head", [b"\x89PNG\r\n\x1a\n", b"<VRTDataset>", b"II\x2a", b"II\0\0\0\0\0\0", b"MM*\0\0\0\0\0"]
)
def test_what_is_no_tiff_is_refused(tmp_path, head):
    path = tmp_path / "a.tiff"
    path.write_bytes(head.ljust(64, b"\0") if len(head) > 3 else head)
    with pytest.raises(CogBuilderError, match=r"a\.tiff: .*expected"):
        read_tiff_header(path)


class TestLimits:
    """T08, L31: refused from the tags alone."""

    def test_of_the_sides(self, tmp_path):
        with pytest.raises(UnreadableImageError, match="2000000×5 px, expected 1 to 200000 per side"):
            read_tiff_header(crafted(tmp_path / "a.tiff", *shape_tags(2_000_000, 5, 5)))

    def test_of_a_block(self, tmp_path):
        with pytest.raises(UnreadableImageError, match="a block decodes to 536870912 bytes"):
            read_tiff_header(crafted(tmp_path / "a.tiff", *shape_tags(16_384, 16_384, 16_384), size=1_600_000))

    def test_of_the_ratio(self, tmp_path):
        with pytest.raises(UnreadableImageError, match="4096 bytes claim 8000000 bytes of pixels"):
            read_tiff_header(crafted(tmp_path / "a.tiff", *shape_tags(2000, 2000, 2000)))

    def test_of_bands(self, tmp_path):
        with pytest.raises(UnreadableImageError, match="300 bands, expected 1 to 32"):
            read_tiff_header(crafted(tmp_path / "a.tiff", *shape_tags(20, 20, 20, bands=300)))

    def test_of_a_list(self, tmp_path):
        tags = [tag if tag[0] != 273 else (273, 4, 2**31, 1000) for tag in shape_tags(20, 20, 20)]
        with pytest.raises(UnreadableImageError, match="tag 273 has 2147483648 values"):
            read_tiff_header(crafted(tmp_path / "a.tiff", *tags))

    def test_of_a_chain_that_bites_its_tail(self, tmp_path):
        with pytest.raises(UnreadableImageError, match="a loop"):
            read_tiff_header(crafted(tmp_path / "a.tiff", *shape_tags(20, 20, 20), following=8))

    @pytest.mark.parametrize("code", [6, 7, 34887, 50001, 0])
    def test_of_compressions(self, tmp_path, code):
        tags = [tag if tag[0] != 259 else (259, 3, 1, code) for tag in shape_tags(20, 20, 20)]
        with pytest.raises(UnreadableImageError, match=f"compression {code}, expected none, LZW, Deflate, PackBits"):
            read_tiff_header(crafted(tmp_path / "a.tiff", *tags))

    def test_of_a_tag_that_comes_twice(self, tmp_path):
        tags = shape_tags(20, 20, 20)
        with pytest.raises(UnreadableImageError, match="TIFF tag 257 comes twice"):
            read_tiff_header(crafted(tmp_path / "a.tiff", *tags[:2], (257, 4, 1, 10), *tags[2:]))

    def test_of_a_missing_tag(self, tmp_path):
        with pytest.raises(UnreadableImageError, match="TIFF tag 257 is missing"):
            read_tiff_header(crafted(tmp_path / "a.tiff", *(tag for tag in shape_tags(20, 20, 20) if tag[0] != 257)))


def test_no_damage_to_the_header_does_anything_but_pass_or_be_refused(tiff):
    whole = bytearray(tiff.read_bytes())
    random = np.random.default_rng(7)
    head = int.from_bytes(whole[4:8], "little")
    for _ in range(1500):
        damaged = bytearray(whole)
        for _ in range(int(random.integers(1, 4))):
            at = int(random.integers(0, 8)) if random.random() < 0.1 else head + int(random.integers(0, 180))
            damaged[at % len(damaged)] = int(random.integers(0, 256))
        tiff.write_bytes(damaged)
        try:
            read_tiff_header(tiff)
        except CogBuilderError:
            continue
