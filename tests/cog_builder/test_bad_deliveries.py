"""P07: one good delivery broken in every way we know; each is refused by the right class, naming what is wrong."""

import re
import tarfile

import pytest

from cog_builder.errors import (
    BadMetadataError,
    GeolocationError,
    IncompleteDeliveryError,
    UnreadableImageError,
    UnrecognisedDeliveryError,
    UnsafeArchiveError,
)
from tests.support.deliveries import edit, members_of, opened, set_tag, tar_of, the_file
from tests.support.simulated import tiny_delivery
from tests.support.tiffs import positions, write_tiff

BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><ProductMetaData>&b;</ProductMetaData>'


def tag(ending, name, value):
    return lambda folder: set_tag(the_file(folder, ending), name, value)


def without(*endings):
    return lambda folder: [the_file(folder, ending).unlink() for ending in endings]


def cut(ending, share):
    def breaking(folder):
        path = the_file(folder, ending)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return breaking


def written(ending, text):
    return lambda folder: the_file(folder, ending).write_text(text)


def tiff(ending, pixels, **creation):
    def breaking(folder):
        path = the_file(folder, ending)
        path.unlink()  # GDAL would take the side files along
        write_tiff(path, pixels, **creation)

    return breaking


def rpb_line(ending, key, line):
    def breaking(folder):
        path = the_file(folder, ending)
        old = next(line for line in path.read_text().splitlines() if line.strip().startswith(key))
        edit(path, old + "\n", line)

    return breaking


def rpb_coefficient(ending, key, new):
    def breaking(folder):
        path = the_file(folder, ending)
        lines = path.read_text().splitlines()
        at = next(index for index, line in enumerate(lines) if line.strip().startswith(key)) + 3
        path.write_text("\n".join([*lines[:at], *new, *lines[at + 1 :]]) + "\n")

    return breaking


BROKEN_FILES = {
    "no RPB": (without("-MSS1.rpb"), IncompleteDeliveryError, r"-MSS1\.rpb is missing"),
    "no pan RPB": (without("-PAN1.rpb"), IncompleteDeliveryError, r"-PAN1\.rpb is missing"),
    "no XML": (without("-MSS1.xml"), IncompleteDeliveryError, r"-MSS1\.xml is missing"),
    "no XML at all": (without("-MSS1.xml", "-PAN1.xml"), IncompleteDeliveryError, r"-MSS1\.xml is missing"),
    "no TIFF": (without("-MSS1.tiff"), IncompleteDeliveryError, r"-MSS1\.tiff is missing"),
    "no TIFF at all": (without("-MSS1.tiff", "-PAN1.tiff"), IncompleteDeliveryError, "no TIFF, expected .*-MSS1.tiff"),
    "no pan": (without("-PAN1.tiff", "-PAN1.xml", "-PAN1.rpb"), IncompleteDeliveryError, "no pan image"),
    "no multispectral": (without("-MSS1.tiff", "-MSS1.xml", "-MSS1.rpb"), IncompleteDeliveryError, "no multispectral"),
    "TIFF cut short": (cut("-MSS1.tiff", 0.6), IncompleteDeliveryError, r"-MSS1\.tiff: .* cut short"),
    "pan TIFF cut short": (cut("-PAN1.tiff", 0.99), IncompleteDeliveryError, r"-PAN1\.tiff: .* cut short"),
    "TIFF empty": (cut("-MSS1.tiff", 0), IncompleteDeliveryError, r"-MSS1\.tiff: 0 bytes"),
    "TIFF is text": (written("-MSS1.tiff", "hello " * 50), UnreadableImageError, "expected a TIFF"),
    "TIFF is a VRT": (written("-MSS1.tiff", "<VRTDataset/>" * 9), UnreadableImageError, "expected a TIFF"),
    "TIFF too narrow": (tiff("-MSS1.tiff", positions(150, 159, 4)), BadMetadataError, "159 columns, expected 160"),
    "TIFF too short": (tiff("-MSS1.tiff", positions(149, 160, 4)), BadMetadataError, "149 rows, expected 150"),
    "TIFF lacks a band": (tiff("-MSS1.tiff", positions(150, 160, 3)), BadMetadataError, "3 bands, expected 4"),
    "TIFF of bytes": (tiff("-MSS1.tiff", positions(150, 160, 4).astype("u1")), BadMetadataError, "8 bits per sample"),
    "TIFF signed": (tiff("-MSS1.tiff", positions(150, 160, 4).astype("i2")), BadMetadataError, "2 as sample format"),
    "XML bomb": (written("-MSS1.xml", BOMB), BadMetadataError, r"-MSS1\.xml: holds a document type"),
    "XML cut short": (cut("-PAN1.xml", 0.5), BadMetadataError, r"-PAN1\.xml: not well-formed"),
    "XML empty": (cut("-MSS1.xml", 0), BadMetadataError, r"-MSS1\.xml: not well-formed"),
    "XML deep": (written("-MSS1.xml", "<a>" * 99_999), BadMetadataError, r"-MSS1\.xml: .* deep"),
    "sun below": (tag("-MSS1.xml", "SolarZenith", "112"), BadMetadataError, "<SolarZenith> is 112, expected 0 to 90"),
    "sun unknown": (tag("-MSS1.xml", "SolarZenith", ""), BadMetadataError, "<SolarZenith> is missing or empty"),
    "sun NULL": (tag("-MSS1.xml", "SolarAzimuth", "NULL"), BadMetadataError, "<SolarAzimuth> is missing or empty"),
    "no time": (tag("-MSS1.xml", "CenterTime", ""), BadMetadataError, "<CenterTime> is missing or empty"),
    "odd time": (tag("-MSS1.xml", "CenterTime", "yesterday"), BadMetadataError, "<CenterTime> is yesterday, expected"),
    "no number": (tag("-MSS1.xml", "ProductID", ""), BadMetadataError, "<ProductID> is missing or empty"),
    "other scene": (tag("-PAN1.xml", "ProductID", "99"), BadMetadataError, "<ProductID> is 99, expected 6312201"),
    "other level": (tag("-MSS1.xml", "ProductLevel", "LEVEL2A"), UnrecognisedDeliveryError, "GF1 PMS1 level L2A"),
    "other bands": (tag("-MSS1.xml", "Bands", "1,2,3,4,5"), BadMetadataError, "expected 4 bands of PMS1"),
    "RPB empty": (cut("-MSS1.rpb", 0), BadMetadataError, r"-MSS1\.rpb: does not close with 'END;'"),
    "RPB cut short": (cut("-PAN1.rpb", 0.5), BadMetadataError, r"-PAN1\.rpb: "),
    "RPB NaN": (rpb_coefficient("-MSS1.rpb", "lineNumCoef", ["nan,"]), BadMetadataError, "lineNumCoef holds 'nan'"),
    "RPB 19": (rpb_coefficient("-MSS1.rpb", "sampDenCoef", []), BadMetadataError, "has 19 coefficients, expected 20"),
    "RPB 21": (rpb_coefficient("-MSS1.rpb", "sampNumCoef", ["0,", "0,"]), BadMetadataError, "has 21 coefficients"),
    "RPB scale": (rpb_line("-MSS1.rpb", "lineScale", "lineScale = 0;\n"), BadMetadataError, "lineScale is 0, expected"),
    "RPB lacks": (rpb_line("-MSS1.rpb", "latScale", ""), BadMetadataError, "latScale missing"),
    "RPB elsewhere": (rpb_line("-PAN1.rpb", "latOffset", "latOffset = -3;\n"), BadMetadataError, "the RPB looks at"),
}


@pytest.mark.parametrize(("breaking", "error", "said"), BROKEN_FILES.values(), ids=BROKEN_FILES)
def test_P07_a_broken_file_refuses_the_delivery(breaking, error, said, tmp_path):
    folder = tiny_delivery("gf1-pms", tmp_path, packing="folder")
    breaking(folder)
    archive = tar_of(tmp_path / f"{folder.name}.tar.gz", members_of(folder))
    with pytest.raises(error, match=said) as refusal:
        opened(archive, tmp_path)
    assert type(refusal.value) is error
    assert folder.name in str(refusal.value)


def member(name, kind):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "/etc/passwd"
    return info, b""


EXTRA_MEMBERS = {
    "a name that climbs": ("../evil.xml", b"<x/>"),
    "an absolute name": ("/evil.xml", b"<x/>"),
    "a symbolic link": member("link.tiff", tarfile.SYMTYPE),
    "a hard link": member("link.tiff", tarfile.LNKTYPE),
    "a device": member("device", tarfile.CHRTYPE),
    "a pipe": member("pipe", tarfile.FIFOTYPE),
    "a bomb": ("zeros.bin", bytes(400 * 1024**2)),
}


@pytest.mark.parametrize("extra", EXTRA_MEMBERS.values(), ids=EXTRA_MEMBERS)
def test_P07_one_unsafe_member_refuses_the_archive(extra, tmp_path):
    folder = tiny_delivery("gf1-pms", tmp_path, packing="folder")
    archive = tar_of(tmp_path / f"{folder.name}.tar.gz", [*members_of(folder), extra])
    with pytest.raises(UnsafeArchiveError, match=rf"{re.escape(archive.name)}: .*"):
        opened(archive, tmp_path)


@pytest.mark.parametrize("packing", ["tar.gz", "zip"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95, 0.9999])
def test_P07_a_cut_archive_is_refused(packing, share, tmp_path):
    archive = tiny_delivery("gf1-pms", tmp_path, packing=packing)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(IncompleteDeliveryError, match=rf"{re.escape(archive.name)}: .*cut short"):
        opened(archive, tmp_path)


def test_an_rpc_that_is_no_camera_is_refused(tmp_path):
    folder = tiny_delivery("gf1-wfv", tmp_path, packing="folder")
    rpb = the_file(folder, ".rpb")
    text = rpb.read_text()
    for key in ("lineNumCoef", "sampNumCoef"):
        before, _, rest = text.partition(f"{key} = (")
        text = f"{before}{key} = ({','.join(['1'] + ['0'] * 19)});{rest.partition(');')[2]}"
    rpb.write_text(text)
    with pytest.raises(GeolocationError, match=f"{folder.name}.*cannot be inverted"):
        opened(folder, tmp_path)
