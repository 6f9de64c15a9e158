"""The side-file of `root/data` products: one XML, times in UTC, the image's corners and those of the map around it."""

from datetime import timedelta

import numpy as np

from cog_builder.scene import MapReference
from cog_builder.simulation.plan import ImagePlan
from cog_builder.simulation.request import SimulationRequest
from cog_builder.simulation.xml_text import Fields, xml_lines

_PROCESSING = timedelta(hours=2, minutes=4)
_GROUND_SPEED_M_PER_S = 6700.0
_CORNERS = ("UpperLeft", "UpperRight", "LowerLeft", "LowerRight")


def side_files(request: SimulationRequest, images: tuple[ImagePlan, ...]) -> dict[str, bytes]:
    """Name → content: an XML per image; its ending is in capitals."""
    return {
        f"{image.stem}.XML": "\n".join([*xml_lines(_root(request, image), indent=""), ""]).encode("ascii")
        for image in images
    }


def _root(request: SimulationRequest, image: ImagePlan) -> Fields:
    elevation, azimuth = request.sun
    seconds = timedelta(seconds=request.height * image.profile.gsd_m / _GROUND_SPEED_M_PER_S / 2)
    data: Fields = [
        ("productId", str(request.product_id)),
        ("sceneId", str(request.product_id + 811)),
        ("satelliteId", request.satellite),
        ("sensorId", request.sensor_name),
        ("recStationId", "SAC"),
        ("productDate", f"{request.when + _PROCESSING:%Y-%m-%d %H:%M:%S}"),
        ("productLevel", "LEVEL" + request.product.level.removeprefix("L")),
        ("pixelSpacing", f"{image.profile.gsd_m:.3f}"),
        ("productType", "Standard"),
        ("sceneCount", "1"),
        ("sceneShift", "0"),
        ("overallQuality", "9"),
        ("satPath", str(request.path)),
        ("satRow", str(request.row)),
        ("satPathbias", ""),
        ("satRowbias", ""),
        ("scenePath", str(request.path)),
        ("sceneRow", str(request.row)),
        ("direction", "D"),
        ("sunElevation", f"{elevation:.3f}"),
        ("sunAzimuthElevation", f"{azimuth:.3f}"),
        ("sceneDate", f"{request.when:%Y-%m-%d %H:%M:%S}.00"),
        ("imagingStartTime", f"{request.when - seconds:%Y-%m-%d %H:%M:%S}.00"),
        ("imagingStopTime", f"{request.when + seconds:%Y-%m-%d %H:%M:%S}.00"),
        ("gain", ",".join(["1.590000"] * len(image.bands))),
        ("satOffNadir", f"{abs(request.roll_deg):.3f}"),
        ("mirrorOffNadir", "0.000"),
        ("bands", ",".join(band.name.removeprefix("B") for band in image.bands)),
        ("absCalibType", _calibration(request, image)),
        ("earthModel", "WGS_84"),
        ("mapProjection", "UTM"),
        ("resampleTechnique", "BL"),
        ("productOrientation", "MAP"),
        ("sceneCenterLat", f"{request.latitude:.6f}"),
        ("sceneCenterLong", f"{request.longitude:.6f}"),
        ("zone", _zone(image.reference)),
        *_corners(request, image),
        ("dataFormatDes", "GEOTIFF"),
        ("delStatus", "0"),
    ]
    return [("root", [("data", data)])]


def _calibration(request: SimulationRequest, image: ImagePlan) -> str:
    """Free text with its irregular blanks; HJ-1 has offsets too, and its gains are in the table of the year only."""
    if any(image.dn_at_zero):
        return "(gain2,Labdata,L=DN/A+L0,W*m^(-2)*sr^(-1)*um^(-1))"
    gains = zip(image.bands, image.gains, strict=True)
    listed = ", ".join(f"{band.name}:{' ' * (place != 1)}{gain:g}" for place, (band, gain) in enumerate(gains))
    return f"(gain2,Labdata,L=DN*g,W*m^(-2)*sr^(-1)*um^(-1)){listed}"


def _zone(reference: MapReference | None) -> str:
    return "" if reference is None else f"{reference.epsg % 100}{'N' if reference.epsg < 32700 else 'S'}"


def _corners(request: SimulationRequest, image: ImagePlan) -> Fields:
    """Of the tilted image (`data`) and of the map (`product`)."""
    fields: list[tuple[str, str]] = []
    height, width = image.seen_shape
    seen = image.rpc.locate(*_corner_pixels(height, width), request.centre_height_m)
    mapped = seen if image.reference is None else image.reference.locate(*_corner_pixels(image.height, image.width))
    for kind, (longitude, latitude) in (("data", seen), ("product", mapped)):
        for name, lon, lat in zip(_CORNERS, longitude, latitude, strict=True):
            fields += [(f"{kind}{name}Lat", f"{lat:.6f}"), (f"{kind}{name}Long", f"{lon:.6f}")]
    return fields


def _corner_pixels(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    right, bottom = width - 1.0, height - 1.0
    return np.array([0.0, right, 0.0, right]), np.array([0.0, 0.0, bottom, bottom])
