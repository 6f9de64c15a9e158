"""GF-1 PMS, GF-1 WFV and GF-2 PMS, level 1A, as CRESDA packs them: TIFF, XML and RPB of one base name per image."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from cog_builder.deliveries.product_metadata import BEIJING, ProductMetadata
from cog_builder.deliveries.rpb import read_rpb
from cog_builder.deliveries.tiff_header import read_tiff_header
from cog_builder.errors import (
    BadMetadataError,
    GeolocationError,
    IncompleteDeliveryError,
    UnrecognisedDeliveryError,
)
from cog_builder.gains import Calibration, calibration_of_year
from cog_builder.scene import ImageKind, Scene, SourceImage
from cog_builder.sensor import Sensor, known_sensors
from cog_builder.sun import separation_deg, sun_position

LEVEL = "L1A"

_MAX_SUN_ERROR_DEG = 0.5
_MAX_CENTER_ERROR_DEG = 0.5
"""The XML's own centre is up to 7 km wrong; half a degree is another scene."""
_MAX_RECEIVE_DELAY = timedelta(minutes=10)
_IMAGE_SUFFIX = re.compile(r"-(MSS|PAN)\d$", re.I)
_NAME_END = re.compile(r"_(?P<date>\d{8})_L\d?[A-Z]?(?P<number>\d{8,12})$")
_OVERFLOWED = 2**31 - 1


@dataclass(frozen=True)
class ProductFiles:
    """The files of one image, found by their common base name."""

    metadata: ProductMetadata
    tiff: Path
    rpb: Path

    @property
    def stem(self) -> str:
        """Base name, such as `GF1_PMS1_E69.4_N33.3_20220624_L1A0006547030-MSS1`."""
        return self.tiff.stem


def supported_sensor(metadata: ProductMetadata) -> Sensor:
    """The sensor of a product that this reader builds.

    Raises:
        UnrecognisedDeliveryError: Another satellite, camera or level; the message says which, and what is supported.
    """
    sensor = known_sensors().get((metadata.satellite, metadata.sensor))
    if sensor is None or metadata.level != LEVEL:
        supported = ", ".join(f"{satellite} {name}" for satellite, name in known_sensors())
        raise UnrecognisedDeliveryError(
            f"{metadata.path.name}: {metadata.satellite} {metadata.sensor} level {metadata.level}, "
            f"expected level {LEVEL} of {supported}"
        )
    return sensor


def read_scene(delivery: str, products: tuple[ProductFiles, ...]) -> Scene:
    """The scene that the images of one delivery make.

    Raises:
        IncompleteDeliveryError: An image of the product is missing or cut short.
        BadMetadataError: The files contradict each other, or hold something impossible.
    """
    sensor = supported_sensor(products[0].metadata)
    ms, pan = _pair(delivery, sensor, products)
    facts = ms.metadata
    multispectral, ms_calibration = _image("ms", ms, sensor)
    pan_image, pan_calibration = _image("pan", pan, sensor) if pan else (None, None)
    acquired, warnings = _acquired(facts, multispectral)
    title = _IMAGE_SUFFIX.sub("", ms.stem)
    product_files = [ms] if pan is None else [ms, pan]
    return Scene(
        id=f"{facts.satellite}_{facts.sensor}_{acquired:%Y%m%dT%H%M%S}_{facts.level}{facts.product_id}",
        title=title,
        collection=sensor.collection,
        sensor=sensor,
        acquired=acquired,
        level=facts.level,
        product_id=facts.product_id,
        orbit=facts.orbit,
        cloud_cover=facts.cloud_cover,
        sun_elevation=facts.sun_elevation,
        sun_azimuth=facts.sun_azimuth,
        incidence_angle=facts.incidence_angle,
        view_azimuth=facts.view_azimuth,
        calibration_source=_calibration_source(ms_calibration, pan_calibration),
        multispectral=multispectral,
        pan=pan_image,
        side_files=tuple(path for files in product_files for path in (files.metadata.path, files.rpb)),
        facts=facts.facts,
        warnings=(*warnings, *_name_warnings(title, facts, acquired)),
    )


def _pair(
    delivery: str, sensor: Sensor, products: tuple[ProductFiles, ...]
) -> tuple[ProductFiles, ProductFiles | None]:
    """The multispectral image and, where the sensor has one, the pan image of the same scene."""
    multispectral = [files for files in products if not files.metadata.is_pan]
    pans = [files for files in products if files.metadata.is_pan]
    if len(multispectral) > 1 or len(pans) > 1:
        names = ", ".join(sorted(files.tiff.name for files in products))
        raise BadMetadataError(f"{delivery}: holds {names}, expected one scene; deliver each scene by itself")
    if not multispectral:
        raise IncompleteDeliveryError(f"{delivery}: no multispectral image (-MSS), expected one of {sensor.name}")
    if sensor.pan is None:
        if pans:
            raise BadMetadataError(f"{delivery}: {pans[0].tiff.name} is a pan image, which {sensor.name} does not have")
        return multispectral[0], None
    if not pans:
        raise IncompleteDeliveryError(f"{delivery}: no pan image (-PAN), expected one beside {multispectral[0].stem}")
    ms, pan = multispectral[0], pans[0]
    for tag in ("SatelliteID", "SensorID", "ProductLevel", "ProductID"):
        one, other = ms.metadata.text(tag), pan.metadata.text(tag)
        if one != other:
            raise pan.metadata.complaint(tag, other, f"{one} as in {ms.metadata.path.name}")
    return ms, pan


def _image(kind: ImageKind, files: ProductFiles, sensor: Sensor) -> tuple[SourceImage, Calibration]:
    metadata = files.metadata
    bands = sensor.bands if sensor.pan is None or kind == "ms" else (sensor.pan,)
    if metadata.band_count != len(bands):
        raise metadata.complaint("Bands", metadata.text("Bands"), f"{len(bands)} bands of {sensor.name}")
    _check_tiff(files, len(bands))
    if metadata.gains is None:
        calibration = calibration_of_year(sensor, kind, bands, metadata.center_time.year)
    else:
        calibration = Calibration(metadata.gains, (0.0,) * len(bands), "XML AbsCeof")
    image = SourceImage(
        kind=kind,
        path=files.tiff,
        width=metadata.width,
        height=metadata.height,
        band_count=len(bands),
        gsd_m=metadata.gsd_m,
        rpc=read_rpb(files.rpb),
        gains=calibration.gains,
        offsets=calibration.offsets,
        saturated_dn=sensor.saturated_dn,
    )
    _check_place(metadata, image)
    return image, calibration


def _check_tiff(files: ProductFiles, band_count: int) -> None:
    header = read_tiff_header(files.tiff)
    metadata = files.metadata
    for what, found, expected in (
        ("columns", header.width, metadata.width),
        ("rows", header.height, metadata.height),
        ("bands", header.band_count, band_count),
        ("bits per sample", header.sample_bits, 16),
        ("as sample format", header.sample_format, 1),
    ):
        if found != expected:
            raise BadMetadataError(
                f"{files.tiff.name}: {found} {what}, expected {expected} as {metadata.path.name} has it; "
                "TIFF and XML are not of one product"
            )


def _calibration_source(ms: Calibration, pan: Calibration | None) -> str:
    if pan is None or pan.source == ms.source:
        return ms.source
    return f"{ms.source}; pan: {pan.source}"


def _acquired(metadata: ProductMetadata, image: SourceImage) -> tuple[datetime, list[str]]:
    """UTC of the scene centre, and what contradicts it: the sun in the XML decides the time zone of the XML."""
    longitude, latitude = _center(image)
    stated = (metadata.sun_elevation, metadata.sun_azimuth)
    beijing = metadata.center_time
    computed = sun_position(beijing, longitude, latitude)
    acquired, warnings = beijing, []
    if separation_deg(stated, computed) > _MAX_SUN_ERROR_DEG:
        as_utc = beijing + BEIJING
        if separation_deg(stated, sun_position(as_utc, longitude, latitude)) <= _MAX_SUN_ERROR_DEG:
            acquired = as_utc
            warnings.append("time_zone: CenterTime is UTC by the sun angles, expected Beijing time")
        else:
            warnings.append(
                f"sun_position: XML elevation {stated[0]:.2f}° azimuth {stated[1]:.2f}°, "
                f"computed {computed[0]:.2f}° {computed[1]:.2f}° for {beijing:%Y-%m-%dT%H:%M:%SZ}"
            )
    received = metadata.receive_time
    if received is not None and min(abs(received - acquired), abs(received - BEIJING - acquired)) > _MAX_RECEIVE_DELAY:
        warnings.append(f"receive_time: ReceiveTime is {received:%Y-%m-%d %H:%M:%S}, expected {acquired:%H:%M:%S} UTC")
    return acquired, warnings


def _check_place(metadata: ProductMetadata, image: SourceImage) -> None:
    stated = metadata.center
    if stated is None:
        return
    longitude, latitude = _center(image)
    apart = max(abs((longitude - stated[0] + 180) % 360 - 180), abs(latitude - stated[1]))
    if apart > _MAX_CENTER_ERROR_DEG:
        raise BadMetadataError(
            f"{image.path.stem}: the RPB looks at {longitude:.2f}, {latitude:.2f}, expected {stated[0]:.2f}, "
            f"{stated[1]:.2f} as {metadata.path.name} has it; RPB and XML are not of one scene"
        )


def _center(image: SourceImage) -> tuple[float, float]:
    """(longitude, latitude) of the image centre by its RPC: corners in the XML miss by kilometres."""
    middle = np.array([(image.width - 1) / 2]), np.array([(image.height - 1) / 2])
    try:
        longitude, latitude = image.rpc.locate(*middle, image.rpc.height_offset_m)
    except GeolocationError as error:
        raise GeolocationError(f"{image.path.stem}: {error}") from error
    return float(longitude[0]), float(latitude[0])


def _name_warnings(title: str, metadata: ProductMetadata, acquired: datetime) -> list[str]:
    """What the delivered name says otherwise; the XML is believed."""
    name = _NAME_END.search(title)
    if name is None:
        return []
    warnings = []
    if name["date"] != f"{acquired:%Y%m%d}":
        warnings.append(f"name_date: the name says {name['date']}, the XML {acquired:%Y%m%d} UTC")
    if int(name["number"]) not in (int(metadata.product_id), _OVERFLOWED):
        warnings.append(f"product_number: the name says {name['number']}, the XML {metadata.product_id}")
    return warnings
