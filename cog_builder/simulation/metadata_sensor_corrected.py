"""The side-files of `sensor_corrected_metadata` products: XML in GB2312, RPC text, and an XML that is no scene's.

Times are Beijing time without saying so; longitudes are spelt as public readers of real files found them.
"""

from datetime import timedelta

import numpy as np

from cog_builder.rpc import Rpc
from cog_builder.simulation.plan import ImagePlan
from cog_builder.simulation.request import SimulationRequest
from cog_builder.simulation.xml_text import Fields, xml_lines

_ENCODING = "gb2312"
_DECLARATION = '<?xml version="1.0" encoding="GB2312"?>'
_GROUND_SPEED_M_PER_S = 7100.0
_NOT_ASSESSED = 101
_CORNERS = ("LeftTopPoint", "RightTopPoint", "RightBottomPoint", "LeftBottomPoint")
_RADIOMETRY: Fields = [("radiometric_report", [("method", "LAB")])]


def side_files(request: SimulationRequest, images: tuple[ImagePlan, ...]) -> dict[str, bytes]:
    """Name → content: an XML, a radiometric report and, unless it lies on a map, an RPC text per image."""
    files = {}
    for image in images:
        files[f"{image.stem}.xml"] = _encoded(_product(request, image))
        files[f"{image.stem}_rad.xml"] = _encoded(_RADIOMETRY)
        if image.reference is None:
            files[f"{image.stem}_rpc.txt"] = rpc_text(image.rpc).encode("ascii")
    return files


def rpc_text(rpc: Rpc) -> str:
    """The camera model, one key a line, units behind the numbers that have one."""
    numbers = (
        ("LINE_OFF", rpc.line_offset, "pixels"),
        ("SAMP_OFF", rpc.sample_offset, "pixels"),
        ("LAT_OFF", rpc.latitude_offset, "degrees"),
        ("LONG_OFF", rpc.longitude_offset, "degrees"),
        ("HEIGHT_OFF", rpc.height_offset_m, "meters"),
        ("LINE_SCALE", rpc.line_scale, "pixels"),
        ("SAMP_SCALE", rpc.sample_scale, "pixels"),
        ("LAT_SCALE", rpc.latitude_scale, "degrees"),
        ("LONG_SCALE", rpc.longitude_scale, "degrees"),
        ("HEIGHT_SCALE", rpc.height_scale_m, "meters"),
    )
    lists = (
        ("LINE_NUM_COEFF", rpc.line_numerator),
        ("LINE_DEN_COEFF", rpc.line_denominator),
        ("SAMP_NUM_COEFF", rpc.sample_numerator),
        ("SAMP_DEN_COEFF", rpc.sample_denominator),
    )
    lines = [f"{key}: {value:+.12f} {unit}" for key, value, unit in numbers]
    lines += [f"{key}_{place}: {value:+.15E}" for key, values in lists for place, value in enumerate(values, 1)]
    return "\n".join([*lines, ""])


def _product(request: SimulationRequest, image: ImagePlan) -> Fields:
    (elevation, azimuth), beijing, level = request.sun, request.beijing, request.product.level
    incidence, view_azimuth = request.view(image.profile.pitch_deg)
    seconds = timedelta(seconds=request.height * image.profile.gsd_m / _GROUND_SPEED_M_PER_S / 2)
    tiff, camera = f"{image.stem}{request.product.tiff}", f"{image.stem}_rpc.txt"
    product: Fields = [
        ("ProductName", "传感器校正产品"),
        ("SatelliteID", request.satellite),
        ("SensorID", request.sensor_name),
        ("ProductLevel", "SC" if level == "L1A" else level),
        ("OrbitID", str(request.orbit)),
        ("SceneID", str(request.product_id % 10_000)),
        ("ScenePath", f"{request.path:03d}"),
        ("SceneRow", f"{request.row:03d}"),
        ("OrbitType", "GPS"),
        ("AttitudeType", "STAR"),
        ("SunAltitude", f"{elevation:.4f}"),
        ("SunAzimuth", f"{azimuth:.4f}"),
        ("SatAltitude", f"{90 - incidence:.3f}"),
        ("SatAzimuth", f"{view_azimuth:.4f}"),
        ("RollViewingAngle", f"{request.roll_deg:.4f}"),
        ("PitchViewingAngle", f"{image.profile.pitch_deg:.6f}"),
        ("CloudPercent", str(round(request.cloud_percent) if request.cloud_assessed else _NOT_ASSESSED)),
        ("ImageGSD", [("Line", f"{image.profile.gsd_m:g}"), ("Pixel", f"{image.profile.gsd_m:g}")]),
        ("WidthInPixels", str(image.width)),
        ("HeightInPixels", str(image.height)),
        ("AcquisitionTime", f"{beijing:%Y-%m-%d %H:%M:%S}"),
        (
            "TimeStamp",
            [
                ("StartTime", f"{beijing - seconds:%Y-%m-%d %H:%M:%S}"),
                ("CenterTime", f"{beijing:%Y-%m-%d %H:%M:%S}"),
                ("EndTime", f"{beijing + seconds:%Y-%m-%d %H:%M:%S}"),
            ],
        ),
        ("ProductGeographicRange", _range(request, image)),
    ]
    return [
        (
            "sensor_corrected_metadata",
            [
                ("productInfo", product),
                (
                    "productComponents",
                    [
                        ("file", [("Filename", tiff), ("FileType", "影像文件")]),
                        ("file", [("Filename", camera), ("FileType", "RPC参数文件")]),
                    ],
                ),
                ("processInfo", [("ProduceID", str(request.product_id)), ("ProducingUnit", "卫星测绘应用中心")]),
            ],
        )
    ]


def _range(request: SimulationRequest, image: ImagePlan) -> Fields:
    height, width = image.seen_shape
    col, row = np.array([0.0, width - 1, width - 1, 0.0]), np.array([0.0, 0.0, height - 1, height - 1])
    longitude, latitude = image.rpc.locate(col, row, request.centre_height_m)
    corners = [_point(*corner) for corner in zip(_CORNERS, longitude, latitude, strict=True)]
    return [*corners, _point("CenterPoint", request.longitude, request.latitude)]


def _point(name: str, longitude: float, latitude: float) -> tuple[str, Fields]:
    return name, [("Latitude", f"{latitude:.8f}"), ("Longtitude", f"{longitude:.8f}")]


def _encoded(fields: Fields) -> bytes:
    return "\n".join([_DECLARATION, *xml_lines(fields, indent="    "), ""]).encode(_ENCODING)
