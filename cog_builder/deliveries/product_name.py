"""What the name of a product says, in the ways the agencies write names: a clue before anything is opened."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time

_PLACE = r"(?P<place>[EWNS]\d{1,3}\.\d+_[EWNS]\d{1,3}\.\d+)"
_DAY = r"(?P<day>\d{8})"
_CLOCK = r"(?P<clock>\d{6})"
_NUMBER = r"(?P<level>L\d?[A-Z]?)_?(?P<number>\d{8,12})"
_PATH_ROW = r"(?P<path>\d{3})(?P<row>\d{3})"

_FAMILIES = tuple(
    re.compile(pattern, re.VERBOSE | re.IGNORECASE)
    for pattern in (
        # GF2_PMS2_E120.2_S0.0_20181002_L1A0003492622-MSS2, GF5_AHSI_E112.73_N29.83_20190122_003766_L10000036541_VN
        rf"""(?P<satellite>[A-Z]+\d+[A-Z]?) _ (?P<sensor>[A-Z]+\d?) _ {_PLACE} _ {_DAY} (?:_ (?P<orbit>\d{{6}}))? _
             {_NUMBER} (?:[-_] (?P<image>[A-Z\d]+))? (?:_B\d)?""",
        # GF3_SAY_UFS_000605_E114.5_N30.6_20160920_L2_DH_L20001842290
        rf"""(?P<satellite>GF3[A-Z]?) _ [A-Z\d]{{3}} _ (?P<sensor>[A-Z]+) _ (?P<orbit>\d{{6}}) _ {_PLACE} _ {_DAY} _
             (?P<level>L\d[A-Z]?) _ (?P<image>[HVAD]+) _ L\d (?P<number>\d{{8,12}})""",
        # GF701_004075_E105.4_N23.9_20200728114926_MUX_01_SC0_0004_2008282405
        rf"""(?P<satellite>GF7\d\d) _ (?P<orbit>\d{{6}}) _ {_PLACE} _ {_DAY}{_CLOCK} _ (?P<sensor>[A-Z]+) _ \d\d _
             (?P<level>SC\d) _ \d{{4}} _ (?P<number>\d{{10}})""",
        # zy302a_nad_007831_895146_20171027111543_01_sec_0001_1710306797_ORTHO_PAN
        rf"""(?P<satellite>ZY3\d\d[A-Z]) _ (?P<sensor>[A-Z]{{3}}) _ (?P<orbit>\d{{6}}) _ {_PATH_ROW} _ {_DAY}{_CLOCK} _
             \d\d _ (?P<level>[A-Z]+) _ \d{{4}} _ (?P<number>\d{{10}}) (?:_ (?P<image>ORTHO_[A-Z]+))?""",
        # ZY3_01a_mynbavp_278116_20140827_183905_0008_SASMAC_CHN_sec_rel_001_14082905653; station, view, mode
        rf"""(?P<satellite>ZY3_\d\d[A-Z]) _ [A-Z]{{3}} (?P<view>[NFBM]) [A-Z]+ _ {_PATH_ROW} _ {_DAY} _ {_CLOCK} _
             \d{{4}} _ SASMAC _ [A-Z]+ _ (?P<level>[A-Z]+) _ [A-Z]+ _ \d{{3}} _ (?P<number>\d{{8,12}})""",
        # HJ1A-CCD1-4-53-20100929-L20000400552-1, CB04-P10-365-64-B2-20170819-L20003200907; B2 is a quarter of a scene
        rf"""(?P<satellite>[A-Z]+\d+[A-Z]?) - (?P<sensor>[A-Z]+\d*[A-Z]?) - (?P<path>\d{{1,3}}) - (?P<row>\d{{1,3}})
             (?:-[A-Z]\d)? - {_DAY} - {_NUMBER} (?:- (?P<image>\d))?""",
        # SV1-01_20171028_L2A0000187803_1109170051280_01-PAN
        rf"""(?P<satellite>SV\d-\d\d) _ {_DAY} _ {_NUMBER} _ \d{{13}} _ \d\d (?:- (?P<image>[A-Z]+))?""",
        # JL101A_PMS_20171030113628_000020767_102_0001_003_L1_PAN
        rf"""(?P<satellite>JL1[A-Z\d]+) _ (?P<sensor>[A-Z]+\d*) _ {_DAY}{_CLOCK} _
             (?P<number>\d{{9}} _ \d{{3,4}} _ \d{{4}} _ \d{{3}})
             (?:_ (?P<level>L\d[A-Z]?) (?:_ (?P<image>[A-Z]+))?)?""",
        # CBERS_4A_WFI_20200801_221_156_L4_LEFT_BAND13
        rf"""(?P<satellite>(?:CBERS|AMAZONIA)_\d[A-Z]?) _ (?P<sensor>[A-Z]+\d*[A-Z]?) _ {_DAY} _
             (?P<path>\d{{3}}) _ (?P<row>\d{{3}}) _ (?P<level>L\d[A-Z]?)
             (?:_ (?P<image>(?:(?:LEFT|RIGHT)_)?BAND\d+))?""",
    )
)
_ENDING = re.compile(r"([-_](thumb|meta|rpc|rad|check|pre|ico))?(\.[a-z]\w*)*$", re.IGNORECASE)
_VIEWS = {"n": "NAD", "f": "FWD", "b": "BWD", "m": "MUX"}

_RADAR = re.compile(r"(GF3[A-Z]?|HJ1C|HJ2[EF]|LT1[AB])(?=[-_])", re.IGNORECASE)
_REFUSED = dict.fromkeys(("AHSI", "HSI"), "is a hyperspectral camera; hyperspectral comes later")
_REFUSED |= dict.fromkeys(("IRS", "IRMSS"), "sees the heat of the ground; only reflected sunlight is read here")
_REFUSED |= {"VIMS": "sees heat beside light in bands of different sizes; it may come later"}
_REFUSED |= dict.fromkeys(("GMI", "EMI", "DPC", "AIUS"), "measures the air, not the ground")


@dataclass(frozen=True)
class ProductName:
    """A product name, taken apart."""

    satellite: str
    """As written: `GF1`, `zy303a`, `CBERS_4A`."""
    sensor: str | None
    """As written, `PMS1`; the names of SuperView-1 have none."""
    day: date
    """As written: the day of the scene in UTC or in Beijing, whichever the agency counts by."""
    clock: time | None
    """As written, without a zone; the agencies that write it count by Beijing."""
    longitude: float | None
    """Of the scene's centre, degrees, to one or two decimals."""
    latitude: float | None
    orbit: int | None
    path: int | None
    row: int | None
    level: str | None
    """As written: `L1A`, `L4`, `sec`."""
    number: str | None
    """Which product it is: `0006547030`, of Jilin-1 `000020767_102_0001_003`; INPE gives none."""
    image: str | None
    """Which image of the product a file is: `MSS1`, `FWDPAN`, `3`, `BAND13`; of radar the polarisation."""


def parse_product_name(name: str) -> ProductName | None:
    """Take apart the name of a delivery, or of a file in one; None when it is not of a known kind.

    Args:
        name: With or without extension, image suffix and folder-like ending such as `_thumb`.
    """
    stem = _ENDING.sub("", name)
    for family in _FAMILIES:
        if found := family.fullmatch(stem):
            return _read(found.groupdict())
    return None


def unsupported_by_name(name: str) -> str | None:
    """Why a delivery of this name cannot be built, where the name alone tells."""
    if radar := _RADAR.match(name):
        satellite = re.sub(r"(?<=\D)(?=\d)", "-", radar[1].upper(), count=1)
        return f"{satellite} is a radar satellite; radar comes later"
    product = parse_product_name(name)
    return unsupported_camera(product.satellite, product.sensor) if product and product.sensor else None


def unsupported_camera(satellite: str, sensor: str) -> str | None:
    """Why images of a camera cannot be built, where it is of a kind that nothing here reads."""
    reason = _REFUSED.get(sensor.upper())
    return None if reason is None else f"{satellite} {sensor} {reason}"


def _read(text: dict[str, str | None]) -> ProductName | None:
    """None for a date or a place that cannot be."""
    try:
        day = datetime.strptime(text["day"] or "", "%Y%m%d").date()
        clock = text.get("clock")
        moment = datetime.strptime(clock, "%H%M%S").time() if clock else None
        longitude, latitude = _place(text.get("place"))
    except ValueError:
        return None
    orbit, path, row = (int(digits) if (digits := text.get(field)) else None for field in ("orbit", "path", "row"))
    view = text.get("view")
    return ProductName(
        satellite=text["satellite"] or "",
        sensor=_VIEWS[view.lower()] if view else text.get("sensor"),
        day=day,
        clock=moment,
        longitude=longitude,
        latitude=latitude,
        orbit=orbit,
        path=path,
        row=row,
        level=text.get("level"),
        number=text.get("number"),
        image=text.get("image"),
    )


def _place(text: str | None) -> tuple[float | None, float | None]:
    """Longitude and latitude, whichever is written first."""
    if text is None:
        return None, None
    degrees = {part[0].upper(): float(part[1:]) for part in text.split("_")}
    signed = {letter: -value if letter in "WS" else value for letter, value in degrees.items()}
    longitude, latitude = ([value for letter, value in signed.items() if letter in pair] for pair in ("EW", "NS"))
    if len(longitude) != 1 or len(latitude) != 1 or abs(longitude[0]) > 180 or abs(latitude[0]) > 90:
        raise ValueError(f"{text} is not one longitude and one latitude")
    return longitude[0], latitude[0]
