"""One good delivery with one file broken: how, and for what reason it must be refused."""

import itertools
import re
import shutil
import struct

import numpy as np

from cog_builder.errors import (
    BadMetadataError,
    GeolocationError,
    IncompleteDeliveryError,
    UnreadableImageError,
    UnrecognisedDeliveryError,
)
from tests.support.deliveries import edit, set_tag, the_file
from tests.support.simulated import tiny_delivery
from tests.support.tiffs import positions, read_tiff, write_tiff

MS_TIFF, MS_XML, MS_RPB = "-MSS1.tiff", "-MSS1.xml", "-MSS1.rpb"
PAN_TIFF, PAN_XML, PAN_RPB = "-PAN1.tiff", "-PAN1.xml", "-PAN1.rpb"
SHAPE = 150, 160, 4
"""Of the multispectral image."""

BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><ProductMetaData>&b;</ProductMetaData>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><ProductMetaData>&a;</ProductMetaData>'
DTD = '<!DOCTYPE x SYSTEM "http://localhost/x.dtd"><ProductMetaData/>'


def tag(ending, name, value):
    return lambda folder: set_tag(the_file(folder, ending), name, value)


def gains(text):
    """The text as coefficients of the multispectral image, which older documents lack."""
    return replaced(MS_XML, b"</ProductMetaData>", f"<AbsCeof>{text}</AbsCeof></ProductMetaData>".encode())


def without_tags(ending, *names):
    return lambda folder: [set_tag(the_file(folder, ending), name, "") for name in names]


def without(*endings):
    return lambda folder: [the_file(folder, ending).unlink() for ending in endings]


def changed(ending, change):
    """Write what `change` makes of the bytes of a file."""

    def breaking(folder):
        path = the_file(folder, ending)
        path.write_bytes(change(path.read_bytes()))

    return breaking


def cut(ending, share):
    return changed(ending, lambda whole: whole[: int(len(whole) * share)])


def written(ending, content):
    return changed(ending, lambda _: content if isinstance(content, bytes) else content.encode())


def replaced(ending, old, new):
    """Replace bytes that must be there."""

    def change(whole):
        assert old in whole
        return whole.replace(old, new, 1)

    return changed(ending, change)


def tiff(ending, pixels, **creation):
    def breaking(folder):
        path = the_file(folder, ending)
        path.unlink()  # GDAL would take the side files along
        write_tiff(path, pixels, **creation)

    return breaking


def tiff_tag(ending, number, value, kind=4, count=1):
    """Overwrite the entry of a tag of a little-endian TIFF."""

    def change(whole):
        first = struct.unpack_from("<I", whole, 4)[0] + 2
        at = next(at for at in range(first, len(whole), 12) if whole[at : at + 2] == struct.pack("<H", number))
        return whole[:at] + struct.pack("<HHII", number, kind, count, value) + whole[at + 12 :]

    return changed(ending, change)


def fill(ending):
    return lambda folder: tiff(ending, np.zeros_like(read_tiff(the_file(folder, ending))))(folder)


def damaged_pixels(ending, **creation):
    """Compressed pixels, some of them overwritten: only who decodes them can tell."""

    def change(whole):
        middle = len(whole) // 2
        return whole[:middle] + b"\xff\x00" * 1500 + whole[middle + 3000 :]

    def breaking(folder):
        tiff(ending, read_tiff(the_file(folder, ending)), **creation)(folder)
        changed(ending, change)(folder)

    return breaking


def rpb(ending, key, line):
    """Write another line instead of that of a key."""

    def breaking(folder):
        path = the_file(folder, ending)
        old = next(line for line in path.read_text().splitlines() if line.strip().startswith(key))
        edit(path, old + "\n", line)

    return breaking


def coefficient(ending, key, new):
    """Write other lines instead of the third coefficient of a list."""

    def breaking(folder):
        path = the_file(folder, ending)
        lines = path.read_text().splitlines()
        at = next(index for index, line in enumerate(lines) if line.strip().startswith(key)) + 3
        path.write_text("\n".join([*lines[:at], *new, *lines[at + 1 :]]) + "\n")

    return breaking


def no_camera(folder):
    path = the_file(folder, MS_RPB)
    text = path.read_text()
    for key in ("lineNumCoef", "sampNumCoef"):
        before, _, rest = text.partition(f"{key} = (")
        text = f"{before}{key} = ({','.join(['1'] + ['0'] * 19)});{rest.partition(');')[2]}"
    path.write_text(text)


def swapped(one, other):
    def breaking(folder):
        first, second = the_file(folder, one), the_file(folder, other)
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)

    return breaking


def two_scenes(folder):
    for path in list(folder.iterdir()):
        shutil.copy(path, folder / path.name.replace("L1A0006312201", "L1A0006312202"))


def of_another_camera(folder):
    for ending in (PAN_TIFF, PAN_XML, PAN_RPB):
        the_file(folder, ending).unlink()
    other = tiny_delivery("gf2-pms", folder.parent / "other", packing="folder")
    for path in other.glob("*-PAN2*"):
        shutil.copy(path, folder)


def pan_link(folder):
    path = the_file(folder, PAN_TIFF)
    path.rename(folder.parent / "elsewhere.tiff")
    path.symlink_to(folder.parent / "elsewhere.tiff")


REQUIRED = {
    "SatelliteID": "",
    "SensorID": "",
    "ProductLevel": "",
    "ProductID": "many",
    "WidthInPixels": "-1",
    "HeightInPixels": "1e999",
    "ImageGSD": "0",
    "CenterTime": "2022-02-30 11:20:11",
    "SolarZenith": "NaN",
    "SolarAzimuth": "-inf",
}
"""Tag → a value it can never have."""
TIMES = ("CenterTime", "StartTime", "EndTime", "ReceiveTime")
SECOND_NAMES = {"ProductLevel": "Level", "ImageGSD": "ImageGSDLine"}
"""What the tag is called in other products."""
OPTIONAL = {
    "OrbitID": "1.5",
    "CloudPercent": "some",
    "SatelliteZenith": "90.5",
    "SatelliteAzimuth": "1e9",
    "ReceiveTime": "03:20",
    "TopLeftLatitude": "91",
    "BottomRightLongitude": "nan",
}

_BAD, _LACKS, _ODD = BadMetadataError, IncompleteDeliveryError, UnreadableImageError

BROKEN_FILES = {
    "no RPB": (without(MS_RPB), _LACKS, r"-MSS1\.rpb is missing"),
    "no pan RPB": (without(PAN_RPB), _LACKS, r"-PAN1\.rpb is missing"),
    "no XML": (without(MS_XML), _LACKS, r"-MSS1\.xml is missing"),
    "no XML at all": (without(MS_XML, PAN_XML), _LACKS, r"-MSS1\.xml is missing"),
    "no TIFF": (without(MS_TIFF), _LACKS, r"-MSS1\.tiff is missing"),
    "no TIFF at all": (without(MS_TIFF, PAN_TIFF), _LACKS, r"-(MSS|PAN)1\.tiff is missing|no TIFF"),
    "no pan": (without(PAN_TIFF, PAN_XML, PAN_RPB), _LACKS, "no pan image"),
    "no multispectral": (without(MS_TIFF, MS_XML, MS_RPB), _LACKS, "no multispectral"),
    "two scenes": (two_scenes, _BAD, "holds .*6312201-MSS1.*6312202-MSS1.*, expected one scene"),
    "pan of another scene": (tag(PAN_XML, "ProductID", "99"), _BAD, r"-PAN1\.xml: .* 99, expected 6312201"),
    "XML of the pan image": (swapped(MS_XML, PAN_XML), _BAD, r"-(MSS|PAN)1\.(xml|tiff): .*expected"),
    "TIFF cut short": (cut(MS_TIFF, 0.6), _LACKS, r"-MSS1\.tiff: .* cut short"),
    "pan TIFF lacks its last bytes": (cut(PAN_TIFF, 0.9999), _LACKS, r"-PAN1\.tiff: .* cut short"),
    "TIFF empty": (cut(MS_TIFF, 0), _LACKS, r"-MSS1\.tiff: 0 bytes"),
    "TIFF is text": (written(MS_TIFF, "hello " * 50), _ODD, r"-MSS1\.tiff: begins with .* expected a TIFF"),
    "TIFF too narrow": (tiff(MS_TIFF, positions(150, 159, 4)), _BAD, "159 columns, expected 160"),
    "TIFF too short": (tiff(MS_TIFF, positions(149, 160, 4)), _BAD, "149 rows, expected 150"),
    "TIFF lacks a band": (tiff(MS_TIFF, positions(150, 160, 3)), _BAD, "3 bands, expected 4"),
    "TIFF has a band more": (tiff(PAN_TIFF, positions(600, 640, 2)), _BAD, r"-PAN1\.tiff: 2 bands, expected 1"),
    "TIFF of bytes": (tiff(MS_TIFF, positions(*SHAPE).astype("u1")), _BAD, "8 bits per sample, expected 16"),
    "TIFF of floats": (tiff(MS_TIFF, positions(*SHAPE).astype("f4")), _BAD, "32 bits per sample, expected 16"),
    "TIFF of complex": (tiff(MS_TIFF, np.ones(SHAPE, "c8")), _BAD, "64 bits per sample, expected 16"),
    "TIFF of half floats": (tiff_tag(PAN_TIFF, 339, 3, kind=3), _BAD, "3 as sample format"),
    "TIFF says JPEG": (tiff_tag(PAN_TIFF, 259, 7, kind=3), _ODD, r"-PAN1\.tiff: compression 7, expected none, LZW"),
    "TIFF without strips": (tiff_tag(PAN_TIFF, 273, 0, count=0), _ODD, "TIFF tag 273 has 0 values"),
    "TIFF of no width": (tiff_tag(PAN_TIFF, 256, 0), _ODD, "0×600 px, expected 1 to 200000"),
    "TIFF of two million rows": (tiff_tag(PAN_TIFF, 257, 2_000_000), _ODD, "640×2000000 px, expected"),
    "TIFF of huge strips": (tiff_tag(PAN_TIFF, 278, 0), _ODD, "blocks of 640×0 px, expected at least one pixel"),
    "TIFF directory far away": (replaced(MS_TIFF, b"II*\0", b"II*\0\0\0\0\x7f"), _LACKS, "cut short"),
    "TIFF claims to be big": (replaced(MS_TIFF, b"II*\0", b"II+\0"), _LACKS, r"-MSS1\.tiff: .* cut short"),
    "TIFF is sparse": (tiff(MS_TIFF, np.zeros(SHAPE, "u2"), sparse_ok=True), _LACKS, "block 0 of .* is empty"),
    "XML bomb": (written(MS_XML, BOMB), _BAD, r"-MSS1\.xml: holds a document type"),
    "XML with an external entity": (written(MS_XML, OUTSIDE), _BAD, r"-MSS1\.xml: holds a document type"),
    "XML with a DTD": (written(PAN_XML, DTD), _BAD, r"-PAN1\.xml: holds a document type"),
    "XML cut short": (cut(PAN_XML, 0.5), _BAD, r"-PAN1\.xml: not well-formed"),
    "XML empty": (cut(MS_XML, 0), _BAD, r"-MSS1\.xml: not well-formed"),
    "XML is JSON": (written(MS_XML, '{"a": 1}'), _BAD, r"-MSS1\.xml: not well-formed"),
    "XML deep": (written(MS_XML, "<a>" * 99_999), _BAD, r"-MSS1\.xml: .* deep"),
    "XML wide": (written(MS_XML, "<a>" + "<b/>" * 200_001 + "</a>"), _BAD, r"-MSS1\.xml: 200001 elements"),
    "XML of another kind": (written(MS_XML, "<InterfaceFile/>"), _BAD, r"-MSS1\.xml is no .*ProductMetaData"),
    "XML of control characters": (replaced(MS_XML, b"</Pro", b"\1\2</Pro"), _BAD, r"-MSS1\.xml: not well-formed"),
    "XML in no encoding": (replaced(MS_XML, b"UTF-8", b"UTF-88"), _BAD, r"-MSS1\.xml: .*encoding: UTF-88"),
    "XML without tags": (written(PAN_XML, "<ProductMetaData/>"), _BAD, r"-PAN1\.xml: <\w+> is missing or empty"),
    "another satellite": (tag(MS_XML, "SatelliteID", "GF77"), UnrecognisedDeliveryError, r"-MSS1\.xml: GF77 PMS1"),
    "an endless satellite": (tag(MS_XML, "SatelliteID", "G" * 99_999), UnrecognisedDeliveryError, r"-MSS1\.xml: GGG"),
    "a camera of another satellite": (of_another_camera, _LACKS, "no pan image"),
    "other bands": (tag(MS_XML, "Bands", "1,2,3,4,5"), _BAD, r"-MSS1\.xml: 5 bands, expected the 4 of PMS1"),
    "gains of three bands": (gains("0.1,0.2,0.3"), _BAD, "<AbsCeof> is 0.1,0.2,0.3, expected 4 positive numbers"),
    "gains of nothing": (gains("0,0,0,0"), _BAD, "<AbsCeof> is 0,0,0,0, expected 4 positive numbers"),
    "gains that are no numbers": (
        gains("a,b,c,d"),
        _BAD,
        "<AbsCeof> is a, expected a finite number|<AbsCeof> is a,b,c,d",
    ),
    "a line break in a value": (tag(MS_XML, "SolarZenith", "1\nall is well"), _BAD, "<SolarZenith> is 1.all is well"),
    "sun unknown": (tag(MS_XML, "SolarAzimuth", "NULL"), _BAD, "<SolarAzimuth> is missing or empty"),
    "in the year 1": (tag(MS_XML, "CenterTime", "0001-01-01 00:00:00"), _BAD, "<CenterTime> is 0001-01-01 00:00:00"),
    "in the year 9999": (tag(MS_XML, "CenterTime", "9999-12-31 23:59:59"), _BAD, "<CenterTime> is 9999-12-31 23:59:59"),
    **{
        f"{name} missing": (tag(MS_XML, name, ""), _BAD, rf"-MSS1\.xml: <({name}|{SECOND_NAMES.get(name)})> is missing")
        for name in REQUIRED
        if name != "CenterTime"  # the start and the end would do
    },
    "no time at all": (without_tags(MS_XML, *TIMES), _BAD, "Time> is missing or empty"),
    **{
        f"{name} is {value}": (tag(MS_XML, name, value), _BAD, rf"-MSS1\.xml: <{name}> is {re.escape(value)}, expected")
        for name, value in itertools.chain(REQUIRED.items(), OPTIONAL.items())
        if value
    },
    "RPB empty": (cut(MS_RPB, 0), _BAD, r"-MSS1\.rpb: does not close with 'END;'"),
    "RPB cut short": (cut(PAN_RPB, 0.5), _BAD, r"-PAN1\.rpb: .*expected"),
    "RPB is no text": (written(MS_RPB, b"\x89PNG" * 9), _BAD, r"-MSS1\.rpb: not ASCII text"),
    "RPB NaN": (coefficient(MS_RPB, "lineNumCoef", ["nan,"]), _BAD, "lineNumCoef holds 'nan'"),
    "RPB overflowing": (coefficient(MS_RPB, "lineNumCoef", ["1e999,"]), _BAD, "lineNumCoef holds '1e999'"),
    "RPB of 19": (coefficient(MS_RPB, "sampDenCoef", []), _BAD, "sampDenCoef has 19 coefficients, expected 20"),
    "RPB of 21": (coefficient(MS_RPB, "sampNumCoef", ["0,", "0,"]), _BAD, "sampNumCoef has 21 coefficients"),
    "RPB scale 0": (rpb(MS_RPB, "lineScale", "lineScale = 0;\n"), _BAD, "lineScale is 0, expected"),
    "RPB scale negative": (rpb(MS_RPB, "latScale", "latScale = -0.1;\n"), _BAD, "latScale is -0.1, expected"),
    "RPB of no latitude": (rpb(MS_RPB, "latOffset", "latOffset = 91;\n"), _BAD, "latOffset is 91, expected"),
    "RPB lacks a key": (rpb(MS_RPB, "latScale", ""), _BAD, "latScale missing"),
    "RPB unknown key": (rpb(MS_RPB, "errBias", "errBias = 1;\nerrFoo = 1;\n"), _BAD, "unknown key 'errFoo'"),
    "RPB lacks a group": (rpb(MS_RPB, "lineDenCoef", ""), _BAD, r"-MSS1\.rpb: .*expected"),
    "RPB elsewhere": (rpb(PAN_RPB, "latOffset", "latOffset = -3;\n"), _BAD, r"-PAN1.* looks at"),
    "RPB of no camera": (no_camera, GeolocationError, "-MSS1.*cannot be inverted"),
    "RPB of enormous numbers": (coefficient(MS_RPB, "lineNumCoef", ["1e300,"]), GeolocationError, "-MSS1.*inverted"),
}
"""Name → how it breaks the folder, error, what the message must say."""

UNBUILDABLE = {
    "fill only": (fill(MS_TIFF), _ODD, "nothing but fill"),
    "pan of fill only": (fill(PAN_TIFF), _ODD, "no pixel to show"),
    "damaged deflate": (damaged_pixels(MS_TIFF, compress="deflate"), _ODD, r"-MSS1\.tiff: cannot be decoded"),
    "damaged LZW": (damaged_pixels(PAN_TIFF, compress="lzw"), _ODD, r"-PAN1\.tiff: cannot be decoded"),
    "damaged Zstandard": (damaged_pixels(PAN_TIFF, compress="zstd"), _ODD, r"-PAN1\.tiff: cannot be decoded"),
}
"""As `BROKEN_FILES`; these open, and only building them shows what is wrong."""
