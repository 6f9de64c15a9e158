"""The side-files of `ProductMetaData` products: XML, older and newer, and RPB.

The order of the tags, the ways of writing an empty one, and the traps are those of real deliveries: Start, Center and
EndTime are Beijing time without saying so, ReceiveTime is UTC; SatelliteZenith is an elevation; the bottom corners may
lie past the last line.
"""

from datetime import timedelta

import numpy as np

from cog_builder.rpc import Rpc
from cog_builder.simulation.plan import ImagePlan
from cog_builder.simulation.request import SimulationRequest

_PROCESSING = timedelta(hours=30, minutes=17)
_GROUND_SPEED_M_PER_S = 7000.0
_NOT_ASSESSED = 101
_CORNERS = ("TopLeft", "TopRight", "BottomRight", "BottomLeft")
_ABSENT = None
"""Written as <Tag />; an empty text is written as <Tag></Tag>."""

Fields = list[tuple[str, str | None]]


def side_files(request: SimulationRequest, images: tuple[ImagePlan, ...]) -> dict[str, bytes]:
    """Name → content: an XML per image, an RPB per TIFF unless they lie on a map."""
    files = {f"{image.stem}.xml": product_xml(request, image).encode("ascii") for image in images}
    if request.dialect == "2023" and len(images) > 1:
        files[f"{request.name}.xml"] = files[f"{images[0].stem}.xml"]
    if not request.product.on_map:
        files |= {f"{tiff.stem}.rpb": rpb(tiff.rpc).encode("ascii") for image in images for tiff in image.files()}
    return files


def product_xml(request: SimulationRequest, image: ImagePlan) -> str:
    """The ProductMetaData document of one image: ASCII, LF, four spaces."""
    usual = _newer(request, image) if request.dialect == "2023" else _classic(request, image)
    fields = _as_agency(request, image, usual)
    lines = [f"    <{tag} />" if text is None else f"    <{tag}>{text}</{tag}>" for tag, text in fields]
    head = '<?xml version="1.0" encoding="UTF-8" ?>\n<ProductMetaData>'
    return "\n".join([head, *lines, "</ProductMetaData>", ""])


def rpb(rpc: Rpc) -> str:
    """The RPB document of one image."""
    numbers = (
        ("lineOffset", rpc.line_offset),
        ("sampOffset", rpc.sample_offset),
        ("latOffset", rpc.latitude_offset),
        ("longOffset", rpc.longitude_offset),
        ("heightOffset", rpc.height_offset_m),
        ("lineScale", rpc.line_scale),
        ("sampScale", rpc.sample_scale),
        ("latScale", rpc.latitude_scale),
        ("longScale", rpc.longitude_scale),
        ("heightScale", rpc.height_scale_m),
    )
    tables = (
        ("lineNumCoef", rpc.line_numerator),
        ("lineDenCoef", rpc.line_denominator),
        ("sampNumCoef", rpc.sample_numerator),
        ("sampDenCoef", rpc.sample_denominator),
    )
    lines = ['satId = "XXX";', 'bandId = "XXX";', 'SpecId = "XXX";', "BEGIN_GROUP = IMAGE"]
    lines += ["\terrBias =   1.0;", "\terrRand =    0.0;"]
    lines += [f"\t{name} = {value:.15f};" for name, value in numbers]
    for name, coefficients in tables:
        values = ",\n".join(f"\t\t\t{value:+.15E}" for value in coefficients)
        lines.append(f"\t{name} = (\n{values});")
    return "\n".join([*lines, "END_GROUP = IMAGE", "END;", ""])


def _as_agency(request: SimulationRequest, image: ImagePlan, fields: Fields) -> Fields:
    """The tags as this satellite writes them."""
    product, gains = request.product, ",".join(f"{gain:.6g}" for gain in image.gains)
    words = {**request.names, "sun_elevation": request.sun[0], "gains": gains}
    texts = {**dict(fields), **{tag: text.format_map(words) for tag, text in product.tags.items()}}
    return [(product.renamed.get(tag, tag), text) for tag, text in texts.items()]


def _classic(request: SimulationRequest, image: ImagePlan) -> Fields:
    """The XML of the years until 2022: six digits, no calibration."""
    return [
        ("SatelliteID", request.satellite),
        ("SensorID", request.sensor_name),
        ("ReceiveTime", f"{request.when:%Y-%m-%d %H:%M:%S}"),
        ("OrbitID", str(request.orbit)),
        ("ProduceType", "STANDARD"),
        ("SceneID", str(request.product_id + 2_150_411)),
        ("ProductID", str(request.product_id)),
        ("ProductLevel", _level(request)),
        ("ProductQuality", _ABSENT),
        ("ProductQualityReport", _ABSENT),
        ("ProductFormat", "GEOTIFF"),
        ("ProduceTime", f"{request.when + _PROCESSING:%Y-%m-%d %H:%M:%S}"),
        *_scene(request, image),
        ("ImageGSD", f"{image.profile.gsd_m:g}"),
        *_dimensions(image, _ABSENT),
        ("CloudPercent", str(_cloud_percent(request))),
        ("QualityInfo", ""),
        ("PixelBits", ""),
        ("ValidPixelBits", ""),
        *_angles(request, image, "{:.6g}"),
        *_detector(image, "{:.6g}"),
        ("MapProjection", _ABSENT),
        ("EarthEllipsoid", "WGS84" if request.satellite == "GF2" else _ABSENT),
        ("ZoneNo", _ABSENT),
        ("ResamplingKernel", _ABSENT),
        ("HeightMode", _ABSENT),
        ("MtfCorrection", "LAB"),
        ("RelativeCorrectionData", ""),
        *_corners(request, image, "{:.6g}", _ABSENT),
    ]


def _newer(request: SimulationRequest, image: ImagePlan) -> Fields:
    """The XML since 2023: more tags, fifteen decimals, the centre, and the calibration."""
    long = "{:.15f}"
    return [
        ("SatelliteID", request.satellite),
        ("ReceiveStationID", "MYN"),
        ("SensorID", request.sensor_name),
        ("ReceiveTime", f"{request.when:%Y-%m-%d %H:%M:%S}"),
        ("OrbitID", str(request.orbit)),
        ("OrbitType", "GPS"),
        ("AttType", "DMA"),
        ("StripID", str(request.orbit * 10 + 3)),
        ("ProduceType", "STANDARD"),
        ("SceneID", str(request.product_id // 1000)),
        ("DDSFlag", "TRUE"),
        ("ProductID", str(request.product_id)),
        ("ProductQuality", ""),
        ("ProductQualityReport", ""),
        ("ProductLevel", _level(request)),
        ("ProductFormat", "GEOTIFF"),
        ("ProduceTime", f"{request.when + _PROCESSING:%Y-%m-%d %H:%M:%S}"),
        *_scene(request, image),
        ("StartLine", ""),
        ("EndLine", ""),
        ("ImageGSD", f"{image.profile.gsd_m:.15f}" if image.profile.kind == "ms" else f"{image.profile.gsd_m:g}"),
        *_dimensions(image, ""),
        ("RegionName", "CN"),
        ("CloudPercent", str(_cloud_percent(request))),
        ("DataSize", str(max(1, image.width * image.height * len(image.gains) * 2 >> 20))),
        *_angles(request, image, long),
        *_detector(image, long),
        ("MapProjection", ""),
        ("EarthEllipsoid", "WGS84"),
        ("ZoneNo", ""),
        ("ResamplingKernel", ""),
        ("HeightMode", ""),
        ("EphemerisData", "GPS"),
        ("AttitudeData", "DMA"),
        ("RadiometricMethod", "LAB"),
        ("MtfCorrection", "LAB"),
        ("Denoise", "MOMENT"),
        ("RayleighCorrection", "N"),
        ("UsedGCPNo", "0"),
        ("CenterLatitude", long.format(request.latitude)),
        ("CenterLongitude", long.format(request.longitude)),
        *_corners(request, image, long, ""),
        ("DataArchiveFile", ""),
        ("BrowseFileLocation", ""),
        ("ThumbFileLocation", ""),
        ("AbsCeof", ",".join(f"{gain:g}" for gain in image.gains)),
    ]


def _scene(request: SimulationRequest, image: ImagePlan) -> Fields:
    path, row, beijing = str(request.path), str(request.row), request.beijing
    seconds = image.height * _line_time_s(image) / 2
    return [
        ("Bands", _bands(image)),
        ("ScenePath", path),
        ("SceneRow", row),
        ("SatPath", path),
        ("SatRow", row),
        ("SceneCount", "1"),
        ("SceneShift", "1"),
        ("StartTime", f"{beijing - timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}"),
        ("EndTime", f"{beijing + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}"),
        ("CenterTime", f"{beijing:%Y-%m-%d %H:%M:%S}"),
    ]


def _dimensions(image: ImagePlan, empty: str | None) -> Fields:
    return [
        ("WidthInPixels", str(image.width)),
        ("HeightInPixels", str(image.height)),
        ("WidthInMeters", empty),
        ("HeightInMeters", empty),
    ]


def _angles(request: SimulationRequest, image: ImagePlan, number: str) -> Fields:
    elevation, azimuth = request.sun
    incidence, view_azimuth = request.view(image.profile.pitch_deg)
    zero = "0" if request.dialect == "classic" else number.format(0)
    return [
        ("RollViewingAngle", zero),
        ("PitchViewingAngle", zero),
        ("RollSatelliteAngle", number.format(request.roll_deg)),
        ("PitchSatelliteAngle", number.format(0.000173)),
        ("YawSatelliteAngle", number.format(3.21)),
        ("SolarAzimuth", number.format(azimuth)),
        ("SolarZenith", number.format(90 - elevation)),
        ("SatelliteAzimuth", number.format(view_azimuth)),
        ("SatelliteZenith", number.format(90 - incidence)),
    ]


def _detector(image: ImagePlan, number: str) -> Fields:
    return [
        ("GainMode", image.profile.gain_mode),
        ("IntegrationTime", _integration_time(image, number)),
        ("IntegrationLevel", image.profile.integration_level),
    ]


def _corners(request: SimulationRequest, image: ImagePlan, number: str, empty: str | None) -> Fields:
    right, bottom = image.width - 1.0, image.height * (1 + image.profile.overshoot) - 1.0
    col, row = np.array([0.0, right, right, 0.0]), np.array([0.0, 0.0, bottom, bottom])
    longitude, latitude = image.rpc.locate(col, row, request.centre_height_m)
    fields: Fields = []
    for name, lon, lat in zip(_CORNERS, longitude, latitude, strict=True):
        fields += [(f"{name}Latitude", number.format(lat)), (f"{name}Longitude", number.format(lon))]
    return fields + [(f"{name}Map{axis}", empty) for name in _CORNERS for axis in "XY"]


def _cloud_percent(request: SimulationRequest) -> int:
    return round(request.cloud_percent) if request.cloud_assessed else _NOT_ASSESSED


def _bands(image: ImagePlan) -> str:
    """The bands by their numbers; the one beside four colours is the fifth, an only one the first."""
    if image.profile.kind == "pan":
        return "5"
    return ",".join(band.name.removeprefix("B") for band in image.bands) if len(image.bands) > 1 else "1"


def _integration_time(image: ImagePlan, number: str) -> str:
    """Seconds per line; of a camera that stares, milliseconds per band."""
    if image.profile.integration_ms:
        return ",".join(f"{time_ms:g}" for time_ms in image.profile.integration_ms)
    return number.format(_line_time_s(image))


def _line_time_s(image: ImagePlan) -> float:
    return image.profile.gsd_m / _GROUND_SPEED_M_PER_S


def _level(request: SimulationRequest) -> str:
    return "LEVEL" + request.product.level.removeprefix("L")
