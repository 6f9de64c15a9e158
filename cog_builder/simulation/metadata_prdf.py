"""The side-files of `prdf` products: one XML per band, times in UTC, cameras side by side in one document."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from cog_builder.simulation.plan import ImagePlan
from cog_builder.simulation.request import SimulationRequest
from cog_builder.simulation.xml_text import Fields, xml_lines

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>'
_ROOT = 'prdf generator="G2T" generatorVersion="0.0.0" xmlns="http://www.gisplan.com.br/xmlsat"'
_PROCESSING = timedelta(hours=26, minutes=21)
_GROUND_SPEED_M_PER_S = 6600.0
_CORNERS = ("UL", "UR", "LR", "LL", "CT")
_UNCALIBRATED = ("WPM", "PAN5M", "PAN10M")
_CAMERAS = {"_LEFT": "leftCamera", "_RIGHT": "rightCamera"}


def side_files(request: SimulationRequest, images: tuple[ImagePlan, ...]) -> dict[str, bytes]:
    """Name → content: an XML per band."""
    bands = [band.name.removeprefix("B") for image in images for band in image.bands]
    available = sorted(bands, key=int)
    return {
        f"{request.name}_BAND{band.name.removeprefix('B')}.xml": _document(request, image, available)
        for image in images
        for band in image.bands
    }


def _document(request: SimulationRequest, image: ImagePlan, available: Sequence[str]) -> bytes:
    parts = image.profile.parts
    spans = sorted({tiff.cols for tiff in image.files()})
    cameras = [_camera(request, image, available, cols) for cols in spans]
    content = (
        cameras[0] if len(parts) == 1 else [(_CAMERAS[side], each) for side, each in zip(parts, cameras, strict=True)]
    )
    return "\n".join([_HEAD, *xml_lines([(_ROOT, content)], indent="  "), ""]).encode("ascii")


def _camera(request: SimulationRequest, image: ImagePlan, available: Sequence[str], cols: tuple[int, int]) -> Fields:
    number = request.product.name.split("_")[1]
    return [
        ("satellite", [("name", "CBERS"), ("number", number), ('instrument channel="1"', request.sensor_name)]),
        ("software", "G2T"),
        ("revolutionNumber", "0"),
        ("imageMode", "VIEW"),
        ("availableBands", [("band", band) for band in available]),
        ("image", _image(request, image, cols)),
    ]


def _image(request: SimulationRequest, image: ImagePlan, cols: tuple[int, int]) -> Fields:
    (elevation, azimuth), when = request.sun, request.when
    seconds = timedelta(seconds=request.height * image.profile.gsd_m / _GROUND_SPEED_M_PER_S / 2)
    pixel = f"{image.profile.gsd_m:.6f}"
    return [
        ("receivingStation", "CBA"),
        ("processingStation", "Cachoeira Paulista"),
        ("processingTime", f"{when + _PROCESSING:%Y-%m-%dT%H:%M:%S.%f}"),
        ("level", request.product.level.removeprefix("L")),
        ("columns", str(cols[1] - cols[0])),
        ("lines", str(image.height)),
        ("verticalPixelSize", pixel),
        ("horizontalPixelSize", pixel),
        ("orbitDirection", "Descending"),
        (
            "timeStamp",
            [
                ("begin", f"{when - seconds:%Y-%m-%dT%H:%M:%S.%f}"),
                ("center", f"{when:%Y-%m-%dT%H:%M:%S.%f}"),
                ("end", f"{when + seconds:%Y-%m-%dT%H:%M:%S.%f}"),
            ],
        ),
        ("path", str(request.path)),
        ("row", str(request.row)),
        ("sunPosition", [("elevation", f"{elevation:.6g}"), ("sunAzimuth", f"{azimuth:.6g}")]),
        *_coefficients(request, image),
        ("boundingBox", _bounding_box(image, cols)),
        ("imageData", _image_data(request, image)),
        ("interpolation", "BC"),
        ("datumName", "WGS84"),
        ("projectionName", "UTM"),
    ]


def _coefficients(request: SimulationRequest, image: ImagePlan) -> Fields:
    if request.sensor_name in _UNCALIBRATED:
        return []
    pairs = zip(image.bands, image.gains, strict=True)
    bands: Fields = [(f'band name="{band.name.removeprefix("B")}"', f"{gain:g}") for band, gain in pairs]
    return [("absoluteCalibrationCoefficient", bands)]


def _bounding_box(image: ImagePlan, cols: tuple[int, int]) -> Fields:
    """The map of one camera."""
    if image.reference is None:
        return []
    left, right, bottom = cols[0] - 0.5, cols[1] - 0.5, image.height - 0.5
    col = np.array([left, right, right, left, (left + right) / 2])
    row = np.array([-0.5, -0.5, bottom, bottom, (bottom - 0.5) / 2])
    return _places(*image.reference.locate(col, row))


def _image_data(request: SimulationRequest, image: ImagePlan) -> Fields:
    """The tilted image in the map."""
    height, width = image.seen_shape
    right, bottom = width - 1.0, height - 1.0
    col, row = np.array([0.0, right, right, 0.0, right / 2]), np.array([0.0, 0.0, bottom, bottom, bottom / 2])
    return _places(*image.rpc.locate(col, row, request.centre_height_m))


def _places(longitude: np.ndarray, latitude: np.ndarray) -> Fields:
    return [
        (name, [("latitude", f"{lat:.6f}"), ("longitude", f"{lon:.6f}")])
        for name, lon, lat in zip(_CORNERS, longitude, latitude, strict=True)
    ]
