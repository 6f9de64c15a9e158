"""The part of a COG before its blocks: header, ghost area and image file directories.

Sources: TIFF 6.0; BigTIFF; OGC 19-008r4 (GeoTIFF 1.1); GDAL COG driver documentation, «File structure».
"""

import struct
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from catalog.reference_system import GEOGRAPHIC
from cog_builder.cog_layout import CogLayout, Compression, Place

LEADER_BYTES, TRAILER_BYTES = 4, 4
"""Each block stands between its size and its last four bytes again."""

Entry = tuple[int, int, list[float] | list[int] | bytes]
"""Tag, field type, values."""

_COMPRESSIONS: dict[Compression, int] = {"deflate": 8, "zstd": 50000, "jpeg": 7, "webp": 50001}
_PHOTOMETRIC: dict[Compression, int] = {"jpeg": 6, "webp": 2}
"""YCbCr and RGB; what is not a picture is said to be grey, as GDAL does."""
_SHORT, _LONG, _DOUBLE, _LONG8, _ASCII, _UNDEFINED = 3, 4, 12, 16, 2, 7
_FORMATS = {_SHORT: "H", _LONG: "I", _DOUBLE: "d", _LONG8: "Q"}


class TiffDirectories:
    """The part of the file before the blocks: header, ghost area and image file directories."""

    def __init__(
        self,
        layout: CogLayout,
        places: dict[Place, tuple[int, int, int]],
        jpeg_tables: bytes,
        *,
        wide: bool,
    ) -> None:
        self.layout = layout
        self.places = places
        self.jpeg_tables = jpeg_tables
        self.wide = wide

    def header(self) -> bytes:
        """Bytes up to the first block; written twice, since block offsets depend on their length."""
        return self._build(len(self._build(0)))

    def _build(self, first_block: int) -> bytes:
        offsets = self._offsets(first_block)
        ghost = self._ghost()
        start = (16 if self.wide else 8) + len(ghost)
        start += start % 2
        body, position = b"", start
        kinds = [(level, mask) for level in range(self.layout.overviews + 1) for mask in (False, True)]
        kinds = [(level, mask) for level, mask in kinds if self.layout.masked or not mask]
        for index, (level, mask) in enumerate(kinds):
            entries = self._mask_entries(level) if mask else self._image_entries(level)
            entries += [
                (
                    324,
                    _LONG8 if self.wide else _LONG,
                    [offsets.get((*place, mask), (0, 0))[0] for place in self.layout.level_places(level)],
                ),
                (325, _LONG, [offsets.get((*place, mask), (0, 0))[1] for place in self.layout.level_places(level)]),
            ]
            directory = self._directory(sorted(entries), position, last=index == len(kinds) - 1)
            body += directory
            position += len(directory)
        first = struct.pack("<HHHQ", 43, 8, 0, start) if self.wide else struct.pack("<HI", 42, start)
        return (b"II" + first + ghost).ljust(start, b"\0") + body

    def _ghost(self) -> bytes:
        lines = ["LAYOUT=IFDS_BEFORE_DATA", "BLOCK_ORDER=ROW_MAJOR", "BLOCK_LEADER=SIZE_AS_UINT4"]
        lines += ["BLOCK_TRAILER=LAST_4_BYTES_REPEATED", "KNOWN_INCOMPATIBLE_EDITION=NO"]
        lines += ["MASK_INTERLEAVED_WITH_IMAGERY=YES"] if self.layout.masked else []
        text = "".join(f"{line}\n" for line in lines) + " "  # the space leaves room to write YES, as GDAL does
        return f"GDAL_STRUCTURAL_METADATA_SIZE={len(text):06d} bytes\n{text}".encode()

    def _offsets(self, first_block: int) -> dict[tuple[int, int, int, bool], tuple[int, int]]:
        """(level, row, column, mask) → offset and bytes in the file."""
        found, position = {}, first_block
        for place in self.layout.places():
            if place not in self.places:
                continue
            _, image, mask = self.places[place]
            for size, is_mask in ((image, False), (mask, True)):
                if size:
                    found[(*place, is_mask)] = position + LEADER_BYTES, size
                    position += LEADER_BYTES + size + TRAILER_BYTES
        return found

    def _image_entries(self, level: int) -> list[Entry]:
        layout, count = self.layout, len(self.layout.bands)
        bits = 8 * np.dtype(layout.dtype).itemsize
        entries: list[Entry] = [
            (254, _LONG, [1 if level else 0]),
            (258, _SHORT, [bits] * count),
            (259, _SHORT, [_COMPRESSIONS[layout.compression]]),
            (262, _SHORT, [_PHOTOMETRIC.get(layout.compression, 1)]),
            (277, _SHORT, [count]),
            (284, _SHORT, [1]),
            (339, _SHORT, [1] * count),
            *self._size_entries(level),
        ]
        if layout.compression == "jpeg":
            entries += [(347, _UNDEFINED, self.jpeg_tables), (530, _SHORT, [2, 2])]
        elif not layout.masked:
            entries += [(317, _SHORT, [2])]
            entries += [(338, _SHORT, [0] * (count - 1))] if count > 1 else []
        if layout.nodata is not None:
            entries.append((42113, _ASCII, f"{layout.nodata}\0".encode()))
        if level == 0:
            entries += [(42112, _ASCII, self._metadata()), *self._geo_entries()]
        return entries

    def _mask_entries(self, level: int) -> list[Entry]:
        return [
            (254, _LONG, [5 if level else 4]),
            (258, _SHORT, [1]),
            (259, _SHORT, [8]),
            (262, _SHORT, [4]),
            (277, _SHORT, [1]),
            (284, _SHORT, [1]),
            *self._size_entries(level),
        ]

    def _size_entries(self, level: int) -> list[Entry]:
        height, width = self.layout.shape(level)
        block = self.layout.block_px
        return [(256, _LONG, [width]), (257, _LONG, [height]), (322, _SHORT, [block]), (323, _SHORT, [block])]

    def _metadata(self) -> bytes:
        items = [f"<Item name={quoteattr(name)}>{escape(value)}</Item>" for name, value in self.layout.tags.items()]
        for sample, band in enumerate(self.layout.bands):
            place = f'sample="{sample}"'
            items.append(f'<Item name="DESCRIPTION" {place} role="description">{escape(band.description)}</Item>')
            if band.scale != 1:
                items.append(f'<Item name="SCALE" {place} role="scale">{band.scale!r}</Item>')
                items.append(f'<Item name="OFFSET" {place} role="offset">0</Item>')
            if band.color:
                items.append(f'<Item name="COLORINTERP" {place} role="colorinterp">{band.color.title()}</Item>')
        return f"<GDALMetadata>{''.join(items)}</GDALMetadata>\0".encode()

    def _geo_entries(self) -> list[Entry]:
        grid = self.layout.grid
        model, code_key = (2, 2048) if grid.epsg in GEOGRAPHIC else (1, 3072)  # in degrees or projected
        keys = [1, 1, 1, 3, 1024, 0, 1, model, 1025, 0, 1, 1, code_key, 0, 1, grid.epsg]  # a pixel is an area
        return [
            (33550, _DOUBLE, [grid.pixel, grid.pixel, 0.0]),
            (33922, _DOUBLE, [0.0, 0.0, 0.0, grid.left, grid.top, 0.0]),
            (34735, _SHORT, keys),
        ]

    def _directory(self, entries: list[Entry], position: int, *, last: bool) -> bytes:
        """One directory with the values that do not fit into its entries right behind it."""
        entry_size, inline, word = (20, 8, "Q") if self.wide else (12, 4, "I")
        head = struct.pack("<Q" if self.wide else "<H", len(entries))
        values_at = position + len(head) + entry_size * len(entries) + struct.calcsize(word)
        table, values = b"", b""
        for tag, kind, value in entries:
            data = value if isinstance(value, bytes) else struct.pack(f"<{len(value)}{_FORMATS[kind]}", *value)
            count = len(value)
            if len(data) <= inline:
                field_bytes = data.ljust(inline, b"\0")
            else:
                field_bytes = struct.pack("<" + word, values_at + len(values))
                values += data + b"\0" * (len(data) % 2)
            table += struct.pack("<HH" + word, tag, kind, count) + field_bytes
        next_at = 0 if last else values_at + len(values)
        return head + table + struct.pack("<" + word, next_at) + values
