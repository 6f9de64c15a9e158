"""The side-files of `MetaData/ProductInfo` products: one XML for both images, with its time zone, and RPC text."""

from datetime import timedelta

import numpy as np

from cog_builder.simulation.metadata_sensor_corrected import rpc_text
from cog_builder.simulation.plan import ImagePlan
from cog_builder.simulation.request import SimulationRequest
from cog_builder.simulation.xml_text import Fields, xml_lines

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_GROUND_SPEED_M_PER_S = 6900.0
_NOT_ASSESSED = 101
_CORNERS = ("UpperLeft", "UpperRight", "LowerRight", "LowerLeft")


def side_files(request: SimulationRequest, images: tuple[ImagePlan, ...]) -> dict[str, bytes]:
    """Name → content: an XML for the product, an RPC text per image."""
    content = [('MetaData TimeZone="+0800"', [("ProductInfo", _product(request, images[-1]))])]
    files = {f"{request.name}_meta.xml": "\n".join([_HEAD, *xml_lines(content, indent="\t"), ""]).encode("ascii")}
    return files | {f"{image.stem}_rpc.txt": rpc_text(image.rpc).encode("ascii") for image in images}


def _product(request: SimulationRequest, pan: ImagePlan) -> Fields:
    beijing = request.beijing
    seconds = timedelta(seconds=max(1, round(pan.height * pan.profile.gsd_m / _GROUND_SPEED_M_PER_S / 2)))
    return [
        ("SatelliteID", request.satellite),
        ("Sensor", request.sensor_name),
        ("StartTime", f"{beijing - seconds:%Y-%m-%d %H:%M:%S}"),
        ("EndTime", f"{beijing + seconds:%Y-%m-%d %H:%M:%S}"),
        ("CenterLatitude", f"{request.latitude:.6f}"),
        ("CenterLongitude", f"{request.longitude:.6f}"),
        *_corners(request, pan),
        ("ImageRowGSD", f"{pan.profile.gsd_m:g}"),
        ("RollSatelliteAngle", f"{request.roll_deg:.4f}"),
        ("CloudPercent", str(round(request.cloud_percent) if request.cloud_assessed else _NOT_ASSESSED)),
        ("OrbitID", str(request.orbit)),
        ("SceneID", "3"),
        ("ProductLevel", request.product.level),
        ("ProductID", str(request.product_id)),
    ]


def _corners(request: SimulationRequest, image: ImagePlan) -> Fields:
    right, bottom = image.width - 1.0, image.height - 1.0
    col, row = np.array([0.0, right, right, 0.0]), np.array([0.0, 0.0, bottom, bottom])
    longitude, latitude = image.rpc.locate(col, row, request.centre_height_m)
    fields: list[tuple[str, str]] = []
    for name, lon, lat in zip(_CORNERS, longitude, latitude, strict=True):
        fields += [(f"{name}Latitude", f"{lat:.6f}"), (f"{name}Longitude", f"{lon:.6f}")]
    return fields
