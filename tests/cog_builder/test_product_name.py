import csv
from datetime import date, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cog_builder.deliveries.product_name import ProductName, parse_product_name, unsupported_by_name
from cog_builder.sensor import find_sensor

NAMES = Path(__file__).parents[3] / "shared/data/scenes/real_product_names.csv"


def product(satellite, sensor, day, **said):
    unsaid = dict.fromkeys(ProductName.__dataclass_fields__)
    return ProductName(**unsaid | {"satellite": satellite, "sensor": sensor, "day": day} | said)


FAMILIES = {
    "GF1_PMS1_E116.4_N39.9_20220315_L1A0006312201.tar.gz": product(
        "GF1", "PMS1", date(2022, 3, 15), longitude=116.4, latitude=39.9, level="L1A", number="0006312201"
    ),
    "GF2_PMS2_W72.3_S36.7_20230213_L1A14547899001-MSS2_thumb.jpg": product(
        "GF2",
        "PMS2",
        date(2023, 2, 13),
        longitude=-72.3,
        latitude=-36.7,
        level="L1A",
        number="14547899001",
        image="MSS2",
    ),
    "GF1D_PMS_E10.0_S0.0_20200430_L3A_1256611207-MUX.tiff": product(
        "GF1D", "PMS", date(2020, 4, 30), longitude=10.0, latitude=0.0, level="L3A", number="1256611207", image="MUX"
    ),
    "GF6_WFV_E116.4_N39.9_20221007_L1A1420290311-3.tiff": product(
        "GF6", "WFV", date(2022, 10, 7), longitude=116.4, latitude=39.9, level="L1A", number="1420290311", image="3"
    ),
    "GF7_DLC_E116.4_N39.9_20220102_L1L0000024999-FWDPAN.rpb.aux.xml": product(
        "GF7", "DLC", date(2022, 1, 2), longitude=116.4, latitude=39.9, level="L1L", number="0000024999", image="FWDPAN"
    ),
    "GF701_004075_E116.4_N39.9_20220102114926_BWD_01_SC0_0004_2201022405": product(
        "GF701",
        "BWD",
        date(2022, 1, 2),
        clock=time(11, 49, 26),
        longitude=116.4,
        latitude=39.9,
        orbit=4075,
        level="SC0",
        number="2201022405",
    ),
    "GF3_MYN_FSI_021234_W116.4_N39.9_20220102_L2_HV_L20003216549.meta.xml": product(
        "GF3",
        "FSI",
        date(2022, 1, 2),
        longitude=-116.4,
        latitude=39.9,
        orbit=21234,
        level="L2",
        number="0003216549",
        image="HV",
    ),
    "GF5_GMI_N39.91_E116.42_20220102_004844_L10002440999.tar.gz": product(
        "GF5",
        "GMI",
        date(2022, 1, 2),
        longitude=116.42,
        latitude=39.91,
        orbit=4844,
        level="L1",
        number="0002440999",
    ),
    "ZY1F_AHSI_E116.42_N39.91_20220102_007690_L1A0000461999_VN.tif": product(
        "ZY1F",
        "AHSI",
        date(2022, 1, 2),
        longitude=116.42,
        latitude=39.91,
        orbit=7690,
        level="L1A",
        number="0000461999",
        image="VN",
    ),
    "zy303a_mux_024210_004130_20200824112715_01_sec_0001_2008252213_rpc.txt": product(
        "zy303a",
        "mux",
        date(2020, 8, 24),
        clock=time(11, 27, 15),
        orbit=24210,
        path=4,
        row=130,
        level="sec",
        number="2008252213",
    ),
    "zy302a_nad_024210_004130_20200824112715_01_sec_0001_2008252213_ORTHO_PAN": product(
        "zy302a",
        "nad",
        date(2020, 8, 24),
        clock=time(11, 27, 15),
        orbit=24210,
        path=4,
        row=130,
        level="sec",
        number="2008252213",
        image="ORTHO_PAN",
    ),
    "ZY3_01a_mynfavp_278116_20140827_183905_0008_SASMAC_CHN_sec_rel_001_14082905999-meta.xml": product(
        "ZY3_01a",
        "FWD",
        date(2014, 8, 27),
        clock=time(18, 39, 5),
        path=278,
        row=116,
        level="sec",
        number="14082905999",
    ),
    "HJ1B-CCD2-451-64-20100929-L20000400999-3.tif": product(
        "HJ1B", "CCD2", date(2010, 9, 29), path=451, row=64, level="L2", number="0000400999", image="3"
    ),
    "CB04-P10-365-64-B2-20170819-L20003200999-THUMB.JPG": product(
        "CB04", "P10", date(2017, 8, 19), path=365, row=64, level="L2", number="0003200999"
    ),
    "SV1-02_20171028_L2A0000187999_1109170051280_01-PAN.tiff": product(
        "SV1-02", None, date(2017, 10, 28), level="L2A", number="0000187999", image="PAN"
    ),
    "JL1KF01A_PMS04_20220102113628_200020767_102_0001_003_L1_MSS_meta.xml": product(
        "JL1KF01A",
        "PMS04",
        date(2022, 1, 2),
        clock=time(11, 36, 28),
        level="L1",
        number="200020767_102_0001_003",
        image="MSS",
    ),
    "CBERS_4A_WFI_20200801_221_156_L4_LEFT_BAND13.xml": product(
        "CBERS_4A", "WFI", date(2020, 8, 1), path=221, row=156, level="L4", image="LEFT_BAND13"
    ),
    "CBERS_4_PAN10M_20190510_027_076_L2_BAND2.tif": product(
        "CBERS_4", "PAN10M", date(2019, 5, 10), path=27, row=76, level="L2", image="BAND2"
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_name_of_every_family_is_taken_apart(name):
    assert parse_product_name(name) == FAMILIES[name]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "order.xml",
        "readme",
        "GF1_PMS1_E190.4_N39.9_20220315_L1A0006312201",
        "GF1_PMS1_E116.4_N99.9_20220315_L1A0006312201",
        "GF1_PMS1_E116.4_E39.9_20220315_L1A0006312201",
        "GF1_PMS1_E116.4_N39.9_20221315_L1A0006312201",
        "GF1_PMS1_E116.4_N39.9_20220315_L1A06312",
        "zy303a_mux_024210_004130_20200824252715_01_sec_0001_2008252213",
        "LC08_L1TP_123032_20220315_20220322_02_T1",
        "S2A_MSIL1C_20220315T025531_N0400_R032_T50TMK_20220315T045539.SAFE",
    ],
)
def test_a_name_of_no_family_or_with_impossible_figures_is_not_guessed_at(name):
    assert parse_product_name(name) is None
    assert unsupported_by_name(name) is None


@given(st.text(max_size=120) | st.from_regex(r"[A-Z]{2}\d_[A-Z0-9_.-]{0,80}", fullmatch=True))
def test_no_text_is_too_strange(name):
    assert parse_product_name(name) is None or parse_product_name(name).satellite


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("GF3_SAY_UFS_000605_E114.5_N30.6_20160920_L2_DH_L20001842999", "GF-3 is a radar satellite; radar comes later"),
        ("LT1A_MONO_KSC_STRIP1_001234_E116.4_N39.9", "LT-1A is a radar satellite"),
        ("GF5A_AHSI_W103.3_N31.8_20230312_001372_L10000016999", "GF5A AHSI is a hyperspectral camera"),
        ("ZY1E_AHSI_E108.96_N34.68_20200203_002068_L1A0000083999", "ZY1E AHSI is a hyperspectral camera"),
        ("GF5_GMI_N26.89_E113.27_20190406_004844_L10002440999", "GF5 GMI measures the air"),
        ("GF5_VIMS_N29.3_E112.4_20190321_010277_L10000129999", "GF5 VIMS sees heat beside light"),
        ("GF4_IRS_E125.1_N41.2_20180407_L1A0000191999.tar.gz", "GF4 IRS sees the heat of the ground"),
        ("HJ1B-IRS-457-68-20121226-L20000917999", "HJ1B IRS sees the heat of the ground"),
    ],
)
def test_what_is_no_picture_in_sunlight_is_refused_by_name(name, reason):
    assert unsupported_by_name(name).startswith(reason)


@pytest.mark.parametrize("name", [*FAMILIES, "GF4_PMI_E115.0_N36.6_20160803_L1A0000125999.tar.gz"])
def test_a_name_is_refused_exactly_when_its_camera_is_not_in_the_table(name):
    found = parse_product_name(name)
    assert (find_sensor(found.satellite, found.sensor or "PMS") is None) == (unsupported_by_name(name) is not None)


def real_names():
    if not NAMES.is_file():
        pytest.skip("no list of real product names beside the repository")
    with NAMES.open(newline="") as lines:
        return [row["name"] for row in csv.DictReader(lines)]


def test_every_real_name_is_taken_apart():
    names = real_names()
    assert len(names) == 85
    for name in names:
        found = parse_product_name(name)
        assert found is not None, name
        assert date(2008, 9, 6) <= found.day <= date(2026, 12, 31)
        assert name.startswith(found.satellite)
        if found.longitude is not None:
            places = {f"E{found.longitude}", f"N{found.latitude}", f"W{-found.longitude}", f"S{-found.latitude}"}
            whole = {place.split("_")[0] for place in places}
            assert sum(place in name for place in whole) == 2, name
        else:
            assert found.path or found.satellite.startswith(("SV", "JL")), name
        assert found.number in name
        assert found.sensor is None or found.sensor in name or "SASMAC" in name


def test_every_real_name_is_of_a_known_camera_or_refused_with_a_reason():
    strangers = []
    for name in real_names():
        found = parse_product_name(name)
        in_view = {"TMS": found.image or "NAD", "TLC": found.image, None: "PMS"}
        sensor = find_sensor(found.satellite, in_view.get(found.sensor, found.sensor))
        if (sensor is None) == (unsupported_by_name(name) is None):
            strangers.append(name)
    assert strangers == ["GF4_B1_E120.4_N36.0_20180602_L1A0000197188.tar.gz"]  # its XML will have to say what it is
