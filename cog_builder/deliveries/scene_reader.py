"""Images of a delivery → scenes: what they are of, whether their files agree, where and when they were taken."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cog_builder.deliveries.acquisition import name_warnings, read_acquisition
from cog_builder.deliveries.agreement import check_gsd, check_pair
from cog_builder.deliveries.metadata import ImageMetadata
from cog_builder.deliveries.placing import lit_center, place_image, seen_center, seen_view
from cog_builder.deliveries.product_name import unsupported_by_name, unsupported_camera
from cog_builder.deliveries.tiff_header import read_tiff_header
from cog_builder.errors import BadMetadataError, IncompleteDeliveryError, UnrecognisedDeliveryError
from cog_builder.gains import Coefficients, coefficients_of_integration_time, coefficients_of_year
from cog_builder.scene import ImageKind, ImagePart, Scene, SourceImage, Stereo
from cog_builder.sensor import Band, Sensor, find_sensor, known_sensors

_FACT_CHARACTERS = 200
_MAX_VIEW_ERROR_DEG = 10.0
"""Real documents are right to 0.1°; this only finds angles that are counted from something else."""
_VIEWS = {"NAD": "nadir", "FWD": "forward", "BWD": "backward", "MUX": "multispectral"}


@dataclass(frozen=True)
class ImageFiles:
    """The files of one image."""

    metadata: ImageMetadata
    tiffs: tuple[tuple[Path, ...], ...]
    """Per part, per file of the part."""
    rpcs: tuple[Path | None, ...]
    """Per part; images on a map have none."""

    @property
    def stem(self) -> str:
        """Base name, such as `GF1_PMS1_E69.4_N33.3_20220624_L1A0006547030-MSS1`."""
        return self.tiffs[0][0].stem


def unsupported(metadata: ImageMetadata) -> str | None:
    """Why images of a camera are not built, where it is of a kind that nothing here reads."""
    reason = unsupported_camera(metadata.satellite, metadata.sensor) or unsupported_by_name(metadata.title)
    return reason or unsupported_by_name(f"{metadata.satellite}_")


def supported_sensor(metadata: ImageMetadata) -> Sensor:
    """The sensor of a product that can be built.

    Raises:
        UnrecognisedDeliveryError: Another satellite or camera; the message says which, and what is supported.
    """
    sensor = find_sensor(metadata.satellite, metadata.sensor)
    if sensor is None:
        supported = ", ".join(f"{satellite} {name}" for satellite, name in known_sensors())
        raise UnrecognisedDeliveryError(
            f"{metadata.documents[0].name}: {metadata.satellite[:40]} {metadata.sensor[:40]}, "
            f"expected one of {supported}"
        )
    return sensor


class _UncalibratedError(BadMetadataError):
    """Nobody knows the gains of an image: where others of the delivery have some, it alone is left out."""


def read_scenes(
    delivery: str, images: Sequence[ImageFiles], *, allow_uncalibrated: bool, left_out: Sequence[str] = ()
) -> tuple[Scene, ...]:
    """The scenes that the images of one delivery make: one per camera.

    Args:
        delivery: Its name.
        images: What was found in it.
        allow_uncalibrated: Take scenes for which nobody knows the gains.
        left_out: Warnings about other files in it, which go with each scene.

    Raises:
        IncompleteDeliveryError: An image of a product is missing or cut short.
        BadMetadataError: The files contradict each other, or hold something impossible.
    """
    by_sensor: dict[tuple[str, str], list[ImageFiles]] = defaultdict(list)
    for files in images:
        sensor = supported_sensor(files.metadata)
        by_sensor[sensor.satellite, sensor.name].append(files)
    read, warnings = [], list(left_out)
    trouble: _UncalibratedError | None = None
    for key, found in by_sensor.items():
        try:
            read.append(_read_scene(delivery, known_sensors()[key], found, allow_uncalibrated))
        except _UncalibratedError as error:
            trouble = error
            warnings += [f"left_out: {files.tiffs[0][0].name}: {error}" for files in found]
    if trouble is not None and not read:
        raise trouble
    scenes = tuple(replace(scene, warnings=(*scene.warnings, *warnings)) for scene in read)
    return scenes if len(scenes) == 1 else tuple(_with_siblings(scene, scenes) for scene in scenes)


def _read_scene(delivery: str, sensor: Sensor, images: Sequence[ImageFiles], allow_uncalibrated: bool) -> Scene:
    main, pan = _pair(delivery, sensor, images)
    facts = main.metadata
    alone = facts.is_pan and sensor.pan is not None
    main_image, main_coefficients = _image("pan" if alone else "ms", main, sensor, allow_uncalibrated)
    pan_image, pan_coefficients = _image("pan", pan, sensor, allow_uncalibrated) if pan else (None, None)
    if pan and pan_image:
        check_pair(main_image, pan_image, (facts.clock, pan.metadata.clock))
    acquired, sun, warnings = read_acquisition(facts, lit_center(main_image, facts.center))
    sun_agrees = bool(facts.sun) and not any(warning.startswith("sun_position") for warning in warnings)
    seen = seen_view(main_image)
    stated = facts.incidence_angle, facts.view_azimuth
    view = seen or stated
    proven = (("time_zone", "sun_angles") if sun_agrees else ()) + (("view_angles",) if seen else ())
    return Scene(
        id=f"{sensor.satellite}_{sensor.name}_{acquired:%Y%m%dT%H%M%S}_{facts.level}{facts.product_id}",
        title=facts.title,
        collection=sensor.collection,
        sensor=sensor,
        dialect=facts.dialect,
        acquired=acquired,
        level=facts.level,
        product_id=facts.product_id,
        orbit=facts.orbit,
        cloud_cover=facts.cloud_cover,
        sun_elevation=sun[0],
        sun_azimuth=sun[1],
        incidence_angle=view[0],
        view_azimuth=view[1],
        calibration_source=_calibration_source(main_coefficients, pan_coefficients),
        main=main_image,
        pan=pan_image,
        side_files=tuple(
            dict.fromkeys(
                path
                for files in ([main] if pan is None else [main, pan])
                for path in (*files.metadata.documents, *(rpc for rpc in files.rpcs if rpc is not None))
            )
        ),
        facts={tag: text[:_FACT_CHARACTERS] for tag, text in facts.facts.items()},
        unproven=tuple(fact for fact in facts.unproven if fact not in proven),
        warnings=(*facts.assumed, *warnings, *_view_warnings(facts, seen), *name_warnings(facts, acquired)),
        stereo=Stereo(_VIEWS[sensor.name]) if _is_view(sensor) else None,
        corners=facts.corners,
    )


def _view_warnings(metadata: ImageMetadata, seen: tuple[float, float] | None) -> list[str]:
    stated = metadata.incidence_angle
    if seen is None or stated is None or abs(seen[0] - stated) <= _MAX_VIEW_ERROR_DEG:
        return []
    return [f"view_angles: the XML says {stated:.2f}° from the vertical, the camera model {seen[0]:.2f}°"]


def _is_view(sensor: Sensor) -> bool:
    """Whether a camera is one of those that look at the same ground from several sides."""
    return sensor.name in _VIEWS and (sensor.satellite, "FWD") in known_sensors()


def _with_siblings(scene: Scene, scenes: Sequence[Scene]) -> Scene:
    view = _VIEWS.get(scene.sensor.name, scene.sensor.name.lower())
    return replace(
        scene, stereo=Stereo(view, tuple((other.collection, other.id) for other in scenes if other is not scene))
    )


def _pair(delivery: str, sensor: Sensor, images: Sequence[ImageFiles]) -> tuple[ImageFiles, ImageFiles | None]:
    """The image of the bands and, where the sensor has one, the pan image of the same scene."""
    if sensor.pan is None:
        if len(images) > 1:
            raise _several(delivery, images)
        if images[0].metadata.is_pan and len(sensor.bands) > 1:
            raise BadMetadataError(
                f"{delivery}: {images[0].tiffs[0][0].name} is a pan image, which {sensor.name} does not have"
            )
        return images[0], None
    multispectral = [files for files in images if not files.metadata.is_pan]
    pans = [files for files in images if files.metadata.is_pan]
    if len(multispectral) > 1 or len(pans) > 1:
        raise _several(delivery, images)
    if len(images) == 1 and images[0].metadata.delivered_apart:
        return images[0], None
    if not multispectral:
        raise IncompleteDeliveryError(
            f"{delivery}: no multispectral image (-MSS or -MUX), expected one of {sensor.name} beside {pans[0].stem}"
        )
    if not pans:
        raise IncompleteDeliveryError(f"{delivery}: no pan image (-PAN), expected one beside {multispectral[0].stem}")
    ms, pan = multispectral[0], pans[0]
    one, other = ms.metadata, pan.metadata
    for what, found, expected in (
        ("level", other.level, one.level),
        ("product number", other.product_id, one.product_id),
    ):
        if found != expected:
            raise BadMetadataError(
                f"{other.documents[0].name}: {what} {found}, expected {expected} as in {one.documents[0].name}; "
                f"the images are not of one scene"
            )
    return ms, pan


def _several(delivery: str, images: Sequence[ImageFiles]) -> BadMetadataError:
    names = ", ".join(sorted(files.tiffs[0][0].name for files in images))
    return BadMetadataError(f"{delivery}: holds {names}, expected one scene; deliver each scene by itself")


def _image(
    kind: ImageKind, files: ImageFiles, sensor: Sensor, allow_uncalibrated: bool
) -> tuple[SourceImage, Coefficients | None]:
    metadata = files.metadata
    bands = (sensor.pan,) if kind == "pan" and sensor.pan is not None else sensor.bands
    if metadata.band_count not in (None, len(bands)):
        raise BadMetadataError(
            f"{metadata.documents[0].name}: {metadata.band_count} bands, expected the {len(bands)} of {sensor.name}"
        )
    parts = tuple(
        _part(metadata, tiffs, rpc, sensor, len(bands)) for tiffs, rpc in zip(files.tiffs, files.rpcs, strict=True)
    )
    _check_shape(metadata, parts)
    coefficients = _coefficients(metadata, sensor, kind, bands, allow_uncalibrated)
    image = SourceImage(
        kind=kind,
        parts=parts,
        bands=bands,
        gsd_m=metadata.gsd_m,
        gains=None if coefficients is None else coefficients.gains,
        offsets=(0.0,) * len(bands) if coefficients is None else coefficients.offsets,
        saturated_dn=sensor.saturated_dn,
    )
    document = metadata.documents[0].name
    seen_center(image, stated=metadata.center, document=document)
    check_gsd(image, document)
    return image, coefficients


def _part(
    metadata: ImageMetadata, tiffs: tuple[Path, ...], rpc: Path | None, sensor: Sensor, band_count: int
) -> ImagePart:
    headers = [read_tiff_header(tiff) for tiff in tiffs]
    for tiff, header in zip(tiffs, headers, strict=True):
        expected_bits = (16,) if sensor.bits > 8 else (8, 16)
        for what, found, expected in (
            ("columns", header.width, (headers[0].width,)),
            ("rows", header.height, (headers[0].height,)),
            ("bands", header.band_count, (band_count // len(tiffs),)),
            ("bits per sample", header.sample_bits, expected_bits),
            ("as sample format", header.sample_format, (1, 2)),
        ):
            if found not in expected:
                wanted = " or ".join(map(str, expected))
                raise BadMetadataError(f"{tiff.name}: {found} {what}, expected {wanted} for {sensor.name}")
    return ImagePart(tiffs, headers[0].width, headers[0].height, place_image(tiffs, rpc, metadata.level))


def _check_shape(metadata: ImageMetadata, parts: tuple[ImagePart, ...]) -> None:
    """The parts of an image stand side by side and overlap a little; together they are as wide as the XML says."""
    if metadata.shape is None:
        return
    rows, cols = metadata.shape
    widths = [part.width for part in parts]
    for what, found, expected, fits in (
        ("columns", sum(widths), cols, max(widths) <= cols <= sum(widths) if len(parts) > 1 else widths[0] == cols),
        ("rows", parts[0].height, rows, {part.height for part in parts} == {rows}),
    ):
        if not fits:
            raise BadMetadataError(
                f"{parts[0].name}: {found} {what}, expected {expected} as {metadata.documents[0].name} has it; "
                "TIFF and XML are not of one product"
            )


def _coefficients(
    metadata: ImageMetadata, sensor: Sensor, kind: ImageKind, bands: tuple[Band, ...], allow_uncalibrated: bool
) -> Coefficients | None:
    """The document's own coefficients, else the table's."""
    if (stated := metadata.coefficients(bands)) is not None:
        return stated
    year = (metadata.clock - metadata.zones[0]).year
    try:
        times = metadata.integration_times_ms()
        if times is not None:
            return coefficients_of_integration_time(sensor, times, year)
        return coefficients_of_year(sensor, bands, year)
    except BadMetadataError as error:
        if allow_uncalibrated:
            return None
        raise _UncalibratedError(
            f"{metadata.documents[0].name}: {error}, and the document states none; --allow-uncalibrated takes the "
            f"digital numbers as they are"
        ) from error


def _calibration_source(main: Coefficients | None, pan: Coefficients | None) -> str:
    if main is None:
        return "none"
    if pan is None or pan.source == main.source:
        return main.source
    return f"{main.source}; pan: {pan.source}"
