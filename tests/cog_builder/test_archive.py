import gzip
import io
import os
import subprocess
import sys
import tarfile
from contextlib import suppress

import pytest

from cog_builder.deliveries import archive
from cog_builder.deliveries.archive import collect_files
from cog_builder.errors import (
    CogBuilderError,
    IncompleteDeliveryError,
    UnrecognisedDeliveryError,
    UnsafeArchiveError,
)
from tests.support.deliveries import tar_of, zip_of
from tests.support.small_files import small_files

NAME = "GF1_WFV3_E89.0_N23.9_20200523_L1A0004819525"
MEMBERS = [
    (f"{NAME}.tiff", os.urandom(300_000)),
    (f"{NAME}.xml", b"<ProductMetaData/>"),
    (f"{NAME}.rpb", b"END;"),
    (f"{NAME}.jpg", b"not wanted"),
    (f"{NAME}.rpb.aux.xml", b"not wanted"),
]
PACKERS = {
    "tar.gz": lambda path, members: tar_of(path, members, "w:gz"),
    "tar": lambda path, members: tar_of(path, members, "w:"),
    "zip": zip_of,
}
packed = pytest.mark.parametrize("packing", PACKERS)


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def pack(tmp_path):
    """Packs members under a name that says nothing about the packing."""
    return lambda packing, members: PACKERS[packing](tmp_path / "delivery.bin", members)


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info, b""


@packed
@pytest.mark.parametrize("folder", ["", f"{NAME}/", "./", "a/b/c/"])
def test_wanted_members_land_flat_in_the_workspace_whatever_the_packing(pack, workspace, packing, folder):
    files = collect_files(pack(packing, [(folder + name, content) for name, content in MEMBERS]), workspace)
    assert [path.name for path in files] == [f"{NAME}.rpb", f"{NAME}.tiff", f"{NAME}.xml"]
    assert {path.name: path.read_bytes() for path in files}.items() <= dict(MEMBERS).items()
    assert sorted(workspace.iterdir()) == sorted(files)
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


WANTED = (
    "CBERS_4A_WPM_20200730_209_139_L4_BAND1.tif",
    "CBERS_4A_WPM_20200730_209_139_L4_BAND1.xml",
    "HJ1A-CCD1-4-53-20100929-L20000400552-1.TIFF",
    "HJ1A-CCD1-4-53-20100929-L20000400552.XML",
    "GF701_004075_E105.4_N23.9_20200728114926_MUX_01_SC0_0004_2008282405_rpc.txt",
    "zy302a_bwd_016381_143162_20190520112310_01_sec_0001_1905223461_RPC.TXT",
    "GF3_KAS_QPSI_L1A_HH.rpc",
    "GF2_PMS2_L1A-MSS2.RPB",
)
IGNORED = ("readme.txt", "rpc.text", "a_rpc.txt.bak", "a.rpb.gcp", "a.tiff.aux.xml", "a.tfw", "._a.tif", "影像.tif")


@packed
def test_every_kind_of_side_file_is_taken_out_of_nested_folders_and_nothing_else(pack, workspace, packing):
    places = [f"PRODUCT/{'DATA' if number % 2 else 'a/b'}/" for number in range(len(WANTED))]
    members = [(place + name, name.encode()) for place, name in zip(places, WANTED, strict=True)]
    files = collect_files(pack(packing, [*members, *((name, b"") for name in IGNORED)]), workspace)
    assert {path.name for path in files} == set(WANTED)
    assert all(path.read_bytes() == path.name.encode() for path in files)


def test_a_folder_is_read_in_place(tmp_path, workspace):
    folder = tmp_path / "delivered" / NAME
    folder.mkdir(parents=True)
    for name, content in MEMBERS:
        (folder / name).write_bytes(content)
    files = collect_files(tmp_path / "delivered", workspace)
    assert [path.name for path in files] == [f"{NAME}.rpb", f"{NAME}.tiff", f"{NAME}.xml"]
    assert {path.parent for path in files} == {folder}
    assert not list(workspace.iterdir())


@pytest.mark.parametrize("dialect", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_understood_in_every_tar_dialect(tmp_path, workspace, dialect):
    path = tmp_path / "delivery.tar"
    with tarfile.open(path, "w", format=dialect) as tar:
        info = tarfile.TarInfo("a" * 70 + "/" + "b" * 60 + "/" + f"{NAME}.tiff")
        info.size = 1000
        tar.addfile(info, io.BytesIO(b"x" * 1000))
    [file] = collect_files(path, workspace)
    assert file.name == f"{NAME}.tiff"
    assert file.read_bytes() == b"x" * 1000


@pytest.mark.parametrize("content", [b"", b"II*\0" + b"\0" * 600, b"Rar!\x1a\x07\x00", b"7z\xbc\xaf\x27\x1c" * 200])
def test_what_is_no_archive_is_not_recognised(tmp_path, workspace, content):
    path = tmp_path / "delivery.tar.gz"
    path.write_bytes(content)
    with pytest.raises(UnrecognisedDeliveryError, match=r"delivery\.tar\.gz: begins with .* expected a folder, tar"):
        collect_files(path, workspace)


def test_a_gzip_of_something_else_is_not_recognised(tmp_path, workspace):
    path = tmp_path / "delivery.tar.gz"
    path.write_bytes(gzip.compress(b"hello " * 500))
    with pytest.raises(UnrecognisedDeliveryError, match="neither a tar archive"):
        collect_files(path, workspace)


def test_a_path_that_is_not_there_is_not_recognised(tmp_path, workspace):
    with pytest.raises(UnrecognisedDeliveryError, match="no such file or folder"):
        collect_files(tmp_path / "nothing", workspace)


class TestADamagedArchiveIsRefused:
    @packed
    @pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.97])
    def test_cut_short(self, pack, workspace, packing, share):
        path = pack(packing, MEMBERS[:3])
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(IncompleteDeliveryError, match=r"delivery\.bin: .*cut short"):
            collect_files(path, workspace)

    def test_a_tar_cut_exactly_between_two_members(self, pack, workspace):
        path = pack("tar", MEMBERS[:2])
        end_of_first = 512 + -(-300_000 // 512) * 512
        path.write_bytes(path.read_bytes()[:end_of_first])
        with pytest.raises(IncompleteDeliveryError, match="expected an end mark"):
            collect_files(path, workspace)

    @pytest.mark.parametrize("packing", ["tar.gz", "zip"])
    def test_with_a_bit_turned(self, pack, workspace, packing):
        path = pack(packing, MEMBERS[:3])
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(IncompleteDeliveryError, match="damaged"):
            collect_files(path, workspace)

    def test_with_a_damaged_header_inside(self, pack, workspace):
        path = pack("tar", MEMBERS[:3])
        damaged = bytearray(path.read_bytes())
        damaged[512 + -(-300_000 // 512) * 512 + 20] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(IncompleteDeliveryError, match="a member header is damaged"):
            collect_files(path, workspace)

    @packed
    def test_or_read_whatever_happened_to_it(self, pack, tmp_path, packing):
        """P07: hundreds of mutations end in a result or in one of our own errors, and never outside the workspace."""
        whole = pack(packing, [(name, content[:2000]) for name, content in MEMBERS]).read_bytes()
        path = tmp_path / "mutant.bin"
        for number in range(300):
            mutant = bytearray(whole)
            seed = number * 7919
            for step in range(1 + number % 4):
                mutant[(seed + step * 104_729) % len(mutant)] = (seed >> 3) + step & 0xFF
            path.write_bytes(mutant)
            workspace = tmp_path / f"workspace-{number}"
            workspace.mkdir()
            with suppress(CogBuilderError):
                assert all(file.parent == workspace for file in collect_files(path, workspace))
        expected = {"delivery.bin", "mutant.bin", *(f"workspace-{number}" for number in range(300))}
        assert {path.name for path in tmp_path.iterdir()} == expected


class TestAnUnsafeArchiveIsRefused:
    """T10: nothing of it is ever written outside the workspace."""

    @packed
    @pytest.mark.parametrize(
        "name",
        ["../evil.xml", "a/../../evil.xml", "/tmp/evil.xml", "..", "a\\..\\evil.xml", "C:/evil.xml", "a/./../evil.xml"],
    )
    def test_leading_out(self, pack, workspace, packing, name):
        with pytest.raises(UnsafeArchiveError, match=r"delivery\.bin: .* leads out of the archive"):
            collect_files(pack(packing, [*MEMBERS[:1], (name, b"evil")]), workspace)
        assert [path.name for path in workspace.parent.rglob("evil*")] == []

    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            (tarfile.SYMTYPE, "symbolic link"),
            (tarfile.LNKTYPE, "hard link"),
            (tarfile.CHRTYPE, "character device"),
            (tarfile.BLKTYPE, "block device"),
            (tarfile.FIFOTYPE, "pipe"),
            (tarfile.GNUTYPE_SPARSE, "sparse file"),
            (b"Z", "member of type b'Z'"),
        ],
    )
    def test_with_a_link_or_device(self, pack, workspace, kind, said):
        with pytest.raises(UnsafeArchiveError, match=f"is a {said}, expected regular files and folders only"):
            collect_files(pack("tar.gz", [special(f"{NAME}.tiff", kind, "/etc/passwd"), *MEMBERS[1:]]), workspace)

    @packed
    def test_with_names_that_differ_in_case_only(self, pack, workspace, packing):
        with pytest.raises(UnsafeArchiveError, match="comes twice when letter case is ignored"):
            collect_files(pack(packing, [*MEMBERS, (f"{NAME}.XML", b"<other/>")]), workspace)

    @packed
    def test_with_one_name_in_two_folders(self, pack, workspace, packing):
        with pytest.raises(UnsafeArchiveError, match="comes twice, in different folders"):
            collect_files(pack(packing, [*MEMBERS, (f"other/{NAME}.xml", b"<other/>")]), workspace)

    @packed
    @pytest.mark.parametrize("name", ["a\nb.xml", "e\u0301.xml", "x" * 260 + ".xml", "\u202egpj.xml"])
    def test_with_a_name_that_is_not_plain(self, pack, workspace, packing, name):
        with pytest.raises(UnsafeArchiveError, match="is no plain name"):
            collect_files(pack(packing, [(name, b"")]), workspace)

    @packed
    def test_that_is_too_deep(self, pack, workspace, packing):
        with pytest.raises(UnsafeArchiveError, match="10 folders deep, expected at most 8"):
            collect_files(pack(packing, [("a/" * 9 + "b.xml", b"")]), workspace)

    @packed
    def test_of_too_many_members(self, pack, workspace, packing):
        with pytest.raises(UnsafeArchiveError, match="more than 2000 members"):
            collect_files(pack(packing, [(f"{number}.jpg", b"") for number in range(2001)]), workspace)

    @packed
    def test_with_an_overlong_text(self, pack, workspace, packing):
        content = os.urandom(archive.MAX_TEXT_BYTES[".rpb"] + 1)
        with pytest.raises(UnsafeArchiveError, match=rf"{NAME}\.rpb unpacks to more than 65536 bytes"):
            collect_files(pack(packing, [(f"{NAME}.rpb", content)]), workspace)

    @pytest.mark.parametrize("packing", ["tar.gz", "zip"])
    def test_that_is_a_bomb(self, pack, workspace, packing):
        path = pack(packing, [(f"{NAME}.tiff", bytes(64 * 1024**2))])
        with pytest.raises(UnsafeArchiveError, match="200 times its own size"):
            collect_files(path, workspace)
        assert sum(file.stat().st_size for file in workspace.iterdir()) <= 200 * path.stat().st_size + 1024**2

    def test_with_a_text_bomb_in_a_zip(self, pack, workspace):
        filler = (f"{NAME}.tiff", os.urandom(500_000))
        with pytest.raises(UnsafeArchiveError, match=r"\.xml unpacks to more than"):
            collect_files(pack("zip", [filler, (f"{NAME}.xml", b"<a>" * 4_000_000)]), workspace)

    def test_with_an_endless_extension_header(self, pack, workspace):
        info = tarfile.TarInfo(f"{NAME}.tiff")
        info.pax_headers = {"comment": "x" * 100_000}
        with pytest.raises(UnsafeArchiveError, match=r"an extension header of .* bytes"):
            collect_files(pack("tar.gz", [(info, b"")]), workspace)

    def test_with_a_table_of_contents_longer_than_any(self, pack, workspace):
        path = pack("zip", [(f"{'n' * 60_000}{number}", b"") for number in range(100)])
        with pytest.raises(UnsafeArchiveError, match="a table of contents of"):
            collect_files(path, workspace)

    def test_that_is_a_folder_with_a_link(self, tmp_path, workspace):
        folder = tmp_path / "delivered"
        folder.mkdir()
        (folder / f"{NAME}.tiff").symlink_to("/etc/passwd")
        with pytest.raises(UnsafeArchiveError, match="is a link or a device"):
            collect_files(folder, workspace)


def test_a_full_disk_is_named(pack, workspace):
    """P03, by a file size limit in a process of its own."""
    path = pack("tar.gz", MEMBERS)
    program = (
        "import sys; from pathlib import Path; from cog_builder.deliveries.archive import collect_files\n"
        "from cog_builder.errors import DiskFullError\n"
        "try: collect_files(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except DiskFullError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(workspace)],
        **small_files(100_000),
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"delivery.bin: unpacking {NAME}.tiff: File too large" in done.stdout
