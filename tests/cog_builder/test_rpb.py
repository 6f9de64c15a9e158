import numpy as np
import pytest

from cog_builder.deliveries.rpb import read_rpb
from cog_builder.errors import BadMetadataError
from tests.support.deliveries import edit, shared, the_file
from tests.support.simulated import tiny_delivery


@pytest.fixture
def rpb(tmp_path):
    return the_file(tiny_delivery("gf1-wfv", tmp_path, packing="folder"), ".rpb")


def key_line(path, key):
    return next(line for line in path.read_text().splitlines() if line.strip().startswith(key))


def first_coefficient(path, key):
    lines = path.read_text().splitlines()
    return lines[next(index for index, line in enumerate(lines) if line.strip().startswith(key)) + 1]


@pytest.mark.parametrize("path", shared("scenes/GF[12]/*.rpb"))
def test_real_files_are_read_and_their_centre_projects_to_their_offsets(path):
    rpc = read_rpb(path)
    assert rpc.line_denominator[0] == rpc.sample_denominator[0] == 1
    centre = np.array([rpc.longitude_offset]), np.array([rpc.latitude_offset])
    col, row = rpc.project(*centre, rpc.height_offset_m)
    assert abs(col[0] - rpc.sample_offset) < rpc.sample_scale * 0.05
    assert abs(row[0] - rpc.line_offset) < rpc.line_scale * 0.05


@pytest.mark.parametrize("path", shared("scenes/GF2/*PAN2.rpb.gcp"))
def test_the_agencys_own_ground_grid_projects_to_its_pixels(path):
    line, sample, longitude, latitude, height = np.loadtxt(path, skiprows=1).T
    col, row = read_rpb(path.with_suffix("")).project(longitude, latitude, height)
    assert np.sqrt(np.mean((row - line) ** 2)) == pytest.approx(0.87, abs=0.01)
    assert np.sqrt(np.mean((col - sample) ** 2)) == pytest.approx(0.02, abs=0.005)


class TestABadRpbIsRefused:
    def test_with_nan(self, rpb):
        edit(rpb, first_coefficient(rpb, "sampNumCoef").strip(" \t,"), "NaN")
        with pytest.raises(BadMetadataError, match=r"WFV3.*\.rpb: sampNumCoef holds 'NaN', expected a finite number"):
            read_rpb(rpb)

    def test_with_too_few_coefficients(self, rpb):
        edit(rpb, first_coefficient(rpb, "lineDenCoef") + "\n", "")
        with pytest.raises(BadMetadataError, match="lineDenCoef has 19 coefficients, expected 20"):
            read_rpb(rpb)

    def test_with_too_many_coefficients(self, rpb):
        line = first_coefficient(rpb, "lineNumCoef")
        edit(rpb, line, f"{line}\n{line}")
        with pytest.raises(BadMetadataError, match="lineNumCoef has 21 coefficients, expected 20"):
            read_rpb(rpb)

    @pytest.mark.parametrize(
        ("key", "value"),
        [("lineScale", "0"), ("heightScale", "0.0"), ("latOffset", "139.9"), ("longOffset", "inf"), ("sampOffset", "")],
    )
    def test_with_an_impossible_number(self, rpb, key, value):
        line = key_line(rpb, key)
        edit(rpb, line, f"\t{key} = {value};")
        with pytest.raises(BadMetadataError, match=rf"\.rpb: {key} .*expected"):
            read_rpb(rpb)

    def test_with_an_unknown_key(self, rpb):
        edit(rpb, key_line(rpb, "errRand"), key_line(rpb, "errRand") + "\n\terrFoo = 1.0;")
        with pytest.raises(BadMetadataError, match="unknown key 'errFoo'"):
            read_rpb(rpb)

    def test_with_a_key_twice(self, rpb):
        line = key_line(rpb, "latScale")
        edit(rpb, line, f"{line}\n{line}")
        with pytest.raises(BadMetadataError, match="'latScale' is repeated"):
            read_rpb(rpb)

    def test_with_a_key_missing(self, rpb):
        edit(rpb, key_line(rpb, "longScale"), "")
        with pytest.raises(BadMetadataError, match="longScale missing"):
            read_rpb(rpb)

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.98])
    def test_cut_short(self, rpb, share):
        whole = rpb.read_bytes()
        rpb.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(BadMetadataError, match=r"\.rpb: .*expected"):
            read_rpb(rpb)

    def test_longer_than_any(self, rpb):
        rpb.write_bytes(rpb.read_bytes() + b" " * 70_000)
        with pytest.raises(BadMetadataError, match="expected an RPB of at most 65536"):
            read_rpb(rpb)

    def test_that_is_no_text(self, rpb):
        rpb.write_bytes(b"\x89PNG\r\n" * 20)
        with pytest.raises(BadMetadataError, match="not ASCII text"):
            read_rpb(rpb)
