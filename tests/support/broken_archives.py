"""One good delivery packed wrongly: how, and for what reason it must be refused."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile

from cog_builder.errors import IncompleteDeliveryError, UnrecognisedDeliveryError, UnsafeArchiveError
from tests.support.deliveries import tar_of, zip_of

PACKERS = {
    "tar.gz": tar_of,
    "tar": lambda path, members: tar_of(path, members, "w:"),
    "zip": zip_of,
}


def special(kind, name="extra.tiff", target="/etc/passwd"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def zip_special(mode):
    info = zipfile.ZipInfo("extra.tiff")
    info.external_attr = mode << 16
    return info, b"/etc/passwd"


def renamed_by_pax(name):
    info = tarfile.TarInfo("extra.xml")
    info.pax_headers = {"path": name}
    return info, b""


def sparse_by_pax():
    info = tarfile.TarInfo("extra.tiff")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.size": "99999999999"}
    return info, b""


def plus(packing, *members):
    """A whole archive with further members."""
    return lambda path, good: PACKERS[packing](path, [*good, *members])


def only(packing, *members):
    return lambda path, good: PACKERS[packing](path, members)


def bytes_of(packing, change):
    """An archive whose bytes are changed afterwards."""

    def make(path, good):
        path.write_bytes(change(PACKERS[packing](path, good).read_bytes()))
        return path

    return make


def content(change):
    """A file that is no archive of ours at all."""

    def make(path, good):
        path.write_bytes(change(good))
        return path

    return make


def share(part):
    return lambda whole: whole[: int(len(whole) * part)]


def patched(at, new):
    """Other bytes at a place, counted from the end where it is negative."""
    return lambda whole: whole[: at % len(whole)] + new + whole[at % len(whole) + len(new) :]


def in_directory(offset, new):
    """Other bytes in the entry of the first TIFF in the table of contents of a zip."""

    def change(whole):
        start = whole.rindex(b"PK\x01\x02", 0, whole.index(b"-MSS1.tiff", whole.index(b"PK\x01\x02")))
        return patched(start + offset, new)(whole)

    return change


def without_directory(whole):
    return whole[: whole.index(b"PK\x01\x02")]


def tar_bytes(members):
    """An uncompressed tar in memory."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, raw in members:
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return target.getvalue()


def smaller_than_its_content(whole):
    """The first header tells fewer bytes than follow, and its checksum agrees."""
    size = b"%011o\0" % (int(whole[124:135], 8) - 600)
    head = whole[:124] + size + whole[136:148] + b" " * 8 + whole[156:512]
    return head[:148] + b"%06o\0 " % sum(head) + head[156:] + whole[512:]


def with_gbk_name(path, good):
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT, encoding="gbk") as archive:
        archive.addfile(tarfile.TarInfo("高分一号.xml"))
    return path


def zip_by(method):
    """A zip whose every member is compressed by an unusual method."""

    def make(path, good):
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, raw in good:
                archive.writestr(name, raw)
        return path

    return make


def in_folders(packing):
    """The same file twice, in two folders."""

    def make(path, good):
        [xml, *_] = (member for member in good if member[0].endswith(".xml"))
        return PACKERS[packing](path, [*good, ("again/" + xml[0], xml[1])])

    return make


def clashing(packing):
    def make(path, good):
        [xml, *_] = (member for member in good if member[0].endswith(".xml"))
        return PACKERS[packing](path, [*good, (xml[0].upper(), xml[1])])

    return make


def folder_with(change):
    """The delivery as a folder."""

    def make(path, good):
        path.mkdir()
        for name, raw in good:
            (path / name).write_bytes(raw)
        change(path)
        return path

    return make


def deep(folder):
    (folder / "/".join("abcdefghij")).mkdir(parents=True)


def many_files(folder):
    for number in range(2001):
        (folder / f"{number}.jpg").touch()


def an_archive_instead(folder):
    members = [(path.name, path.read_bytes()) for path in folder.iterdir()]
    for path in list(folder.iterdir()):
        path.unlink()
    tar_of(folder / "inner.tar.gz", members)


_CUT, _UNSAFE, _UNKNOWN = IncompleteDeliveryError, UnsafeArchiveError, UnrecognisedDeliveryError
_ENDS = ("tar.gz", "tar", "zip")

BROKEN_ARCHIVES = {
    **{
        f"{packing} cut at {part:%}": (bytes_of(packing, share(part)), _CUT, "cut short")
        for packing in _ENDS
        for part in (0.03, 0.5, 0.9)
    },
    "tar.gz without its last byte": (bytes_of("tar.gz", lambda whole: whole[:-1]), _CUT, "cut short"),
    "tar.gz without its checksum": (bytes_of("tar.gz", lambda whole: whole[:-8]), _CUT, "cut short"),
    "tar without an end mark": (bytes_of("tar", lambda whole: whole.rstrip(b"\0") + bytes(300)), _CUT, "cut short"),
    "zip without its last byte": (bytes_of("zip", lambda whole: whole[:-1]), _CUT, "cut short"),
    "zip without table of contents": (bytes_of("zip", without_directory), _CUT, "cut short"),
    "gzip with a wrong checksum": (bytes_of("tar.gz", patched(-8, b"\1\2\3\4")), _CUT, "damaged .*CRC"),
    "gzip with a wrong length": (bytes_of("tar.gz", patched(-4, b"\1\2\3\4")), _CUT, "damaged .*[Ll]ength"),
    "gzip by an unknown method": (bytes_of("tar.gz", patched(2, b"\7")), _CUT, "damaged .*compression method"),
    "tar.gz with a byte wrong": (
        bytes_of("tar.gz", lambda whole: patched(len(whole) // 2, b"\0\0")(whole)),
        _CUT,
        "damaged",
    ),
    "tar.gz with a letter behind": (bytes_of("tar.gz", lambda whole: whole + b"Dear customer"), _CUT, "damaged"),
    "two tar.gz in one": (bytes_of("tar.gz", lambda whole: whole * 2), _UNSAFE, "more data follow the end mark"),
    "two tars in one": (bytes_of("tar", lambda whole: whole * 2), _UNSAFE, "more data follow the end mark"),
    "two zips in one": (bytes_of("zip", lambda whole: whole * 2), _UNSAFE, "table of contents begins at byte"),
    "tar with a header wrong": (bytes_of("tar", smaller_than_its_content), _CUT, "a member header is damaged"),
    "zip with a byte wrong": (bytes_of("zip", lambda whole: patched(len(whole) // 2, b"\0\0")(whole)), _CUT, "damaged"),
    "zip with a wrong checksum": (bytes_of("zip", in_directory(16, b"\1\2\3\4")), _CUT, "Bad CRC-32"),
    "zip that tells too small a size": (bytes_of("zip", in_directory(24, b"\1\0\0\0")), _CUT, "damaged"),
    "zip that tells too large a size": (
        bytes_of("zip", in_directory(20, b"\xff" * 8)),
        _CUT,
        r"shorter than promised|Overlapped entries",
    ),
    "zip with its members elsewhere": (bytes_of("zip", in_directory(42, b"\xff\xff\xff\x0f")), _CUT, "damaged"),
    "zip with two names of one member": (bytes_of("zip", in_directory(46, b"XXX")), _CUT, "damaged"),
    "zip that is encrypted": (bytes_of("zip", in_directory(8, b"\1")), _UNSAFE, "is encrypted"),
    "zip by bzip2": (zip_by(zipfile.ZIP_BZIP2), _UNSAFE, "compressed by method 12, expected deflate"),
    "zip by LZMA": (zip_by(zipfile.ZIP_LZMA), _UNSAFE, "compressed by method 14, expected deflate"),
    "an empty file": (content(lambda good: b""), _UNKNOWN, "begins with nothing, expected a folder, tar"),
    "a web page": (content(lambda good: b"<html>Please log in</html>"), _UNKNOWN, "begins with 3c 68 74 6d, expected"),
    "a tar.bz2": (content(lambda good: bz2.compress(tar_bytes(good))), _UNKNOWN, "begins with 42 5a 68"),
    "a tar.xz": (content(lambda good: lzma.compress(tar_bytes(good))), _UNKNOWN, "begins with fd 37 7a"),
    "a RAR": (content(lambda good: b"Rar!\x1a\x07\0" * 99), _UNKNOWN, "begins with 52 61 72 21, expected"),
    "a TIFF by itself": (content(lambda good: good[2][1]), _UNKNOWN, "begins with .* expected a folder"),
    "a gzip of text": (content(lambda good: gzip.compress(b"text " * 999)), _UNKNOWN, "neither a tar archive"),
    "a gzip of nothing": (content(lambda good: gzip.compress(b"")), _CUT, "cut short"),
    "an empty tar": (only("tar.gz"), _UNKNOWN, "no TIFF and no XML|neither a tar"),
    "an empty zip": (only("zip"), _UNKNOWN, "begins with 50 4b 05 06"),
    "pictures only": (only("tar.gz", ("a/holiday.jpg", b"\xff\xd8")), _UNKNOWN, "holds no TIFF and no XML"),
    "a tar.gz in a tar": (
        lambda path, good: tar_of(path, [("inner.tar.gz", gzip.compress(tar_bytes(good)))], "w:"),
        _UNKNOWN,
        r"holds the archive 'inner\.tar\.gz', expected .*unpack",
    ),
    "a tar in a zip": (
        lambda path, good: zip_of(path, [("a/inner.tar", tar_bytes(good))]),
        _UNKNOWN,
        r"holds the archive 'a/inner\.tar', expected",
    ),
    **{
        f"{label} in a {packing}": (plus(packing, (name, b"<x/>")), _UNSAFE, said)
        for packing in _ENDS
        for label, name, said in (
            ("climbing name", "../evil.xml", "leads out of the archive"),
            ("absolute name", "/evil.xml", "leads out of the archive"),
            ("backslash name", "..\\evil.xml", "leads out of the archive"),
            ("drive name", "C:evil.xml", "leads out of the archive"),
            ("overlong name", "x" * 300 + ".xml", "is no plain name, expected at most 255 printable bytes"),
            ("control character", "a\x1b[2J.xml", "is no plain name"),
            ("right-to-left name", "a\u202elmx.xml", "is no plain name"),
            ("decomposed name", "e\u0301.xml", "is no plain name"),
            ("deep member", "a/" * 9 + "b.xml", "10 folders deep, expected at most 8"),
        )
    },
    "a NUL in a pax name": (plus("tar", renamed_by_pax("evil\0.xml")), _UNSAFE, "is no plain name|does not follow"),
    "a climbing pax name": (plus("tar.gz", renamed_by_pax("a/../../evil.xml")), _UNSAFE, "leads out of the archive"),
    "a NUL in a zip name": (
        bytes_of("zip", lambda whole: whole.replace(b"-MSS1.xml", b"-MSS1\0xml")),
        _UNSAFE,
        "is no plain name",
    ),
    "a name in GBK": (with_gbk_name, _UNSAFE, "a member name is not UTF-8"),
    "a symbolic link": (plus("tar.gz", special(tarfile.SYMTYPE)), _UNSAFE, "is a symbolic link, expected regular"),
    "a hard link": (plus("tar", special(tarfile.LNKTYPE)), _UNSAFE, "is a hard link, expected regular"),
    "a character device": (plus("tar.gz", special(tarfile.CHRTYPE)), _UNSAFE, "is a character device, expected"),
    "a block device": (plus("tar", special(tarfile.BLKTYPE)), _UNSAFE, "is a block device, expected"),
    "a pipe": (plus("tar.gz", special(tarfile.FIFOTYPE)), _UNSAFE, "is a pipe, expected"),
    "a sparse file": (plus("tar", special(tarfile.GNUTYPE_SPARSE)), _UNSAFE, "is a sparse file, expected"),
    "a sparse file by pax": (plus("tar.gz", sparse_by_pax()), _UNSAFE, "a sparse file, expected"),
    "a link in a zip": (plus("zip", zip_special(0o120777)), _UNSAFE, "is a symbolic link, expected"),
    "a pipe in a zip": (plus("zip", zip_special(0o010644)), _UNSAFE, "is a special file, expected"),
    "names that clash in a tar": (clashing("tar"), _UNSAFE, "comes twice when letter case is ignored"),
    "names that clash in a zip": (clashing("zip"), _UNSAFE, "comes twice when letter case is ignored"),
    "a file in two folders": (in_folders("tar.gz"), _UNSAFE, "comes twice, in different folders"),
    "too many members": (
        plus("tar.gz", *((f"{number}.jpg", b"") for number in range(2001))),
        _UNSAFE,
        "more than 2000 members",
    ),
    "a bomb": (only("tar.gz", ("a-MSS1.tiff", bytes(48 << 20))), _UNSAFE, "200 times its own size"),
    "a bomb nobody wants": (only("tar.gz", ("a.bin", bytes(48 << 20))), _UNSAFE, "200 times its own size"),
    "a bomb in a zip": (only("zip", ("a-MSS1.tiff", bytes(48 << 20))), _UNSAFE, "200 times its own size"),
    "an XML bomb in a zip": (plus("zip", ("a.xml", b" " * (20 << 20))), _UNSAFE, r"a\.xml unpacks to more than"),
    "an endless RPB": (plus("tar.gz", ("a.rpb", os.urandom(70_000))), _UNSAFE, "unpacks to more than 65536 bytes"),
    "an endless RPC text": (plus("zip", ("a_rpc.txt", os.urandom(70_000))), _UNSAFE, "more than 65536 bytes"),
    "a folder with a link": (
        folder_with(lambda folder: (folder / "x.tiff").symlink_to("/etc/passwd")),
        _UNSAFE,
        r"x\.tiff is a link or a device",
    ),
    "a folder with a pipe": (folder_with(lambda folder: os.mkfifo(folder / "x.xml")), _UNSAFE, "is a link or a device"),
    "a deep folder": (folder_with(deep), _UNSAFE, "folders deeper than 8"),
    "a folder of too many files": (folder_with(many_files), _UNSAFE, "more than 2000 files"),
    "a folder with an archive": (folder_with(an_archive_instead), _UNKNOWN, r"holds the archive 'inner\.tar\.gz'"),
    "an empty folder": (folder_with(lambda folder: [path.unlink() for path in folder.iterdir()]), _UNKNOWN, "holds no"),
}
"""Name → (path, members of the good delivery) → the delivery, error, what the message must say."""
