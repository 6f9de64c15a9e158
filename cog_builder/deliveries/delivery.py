"""Opening a delivery: find its files, recognise the dialect, read the scenes."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from cog_builder.deliveries import jilin, prdf, product_metadata, root_data, sensor_corrected
from cog_builder.deliveries.archive import collect_files
from cog_builder.deliveries.metadata import ImageMetadata
from cog_builder.deliveries.product_name import unsupported_by_name
from cog_builder.deliveries.scene_reader import ImageFiles, read_scenes, supported_sensor, unsupported
from cog_builder.deliveries.xml_document import read_xml
from cog_builder.errors import (
    BadMetadataError,
    CogBuilderError,
    IncompleteDeliveryError,
    UnrecognisedDeliveryError,
)
from cog_builder.scene import Scene
from cog_builder.sensor import known_sensors

_Read = Callable[[Sequence[tuple[Path, Element]]], Sequence[ImageMetadata]]

_DIALECTS: dict[str, _Read] = {
    product_metadata.ROOT: product_metadata.read,
    sensor_corrected.ROOT: sensor_corrected.read,
    root_data.ROOT: root_data.read,
    prdf.ROOT: prdf.read,
    jilin.ROOT: jilin.read,
}
"""Root element → reader of the documents that have it."""
_RPC_TEXT = "_rpc.txt"


def open_delivery(path: Path, workspace: Path, *, allow_uncalibrated: bool = False) -> tuple[Scene, ...]:
    """Read one delivery, whatever it is packed in, and check everything but its pixels.

    Args:
        path: A folder, or a tar, tar.gz or zip file, under any name.
        workspace: An existing empty folder that receives the wanted members of an archive; a folder is read in place.
        allow_uncalibrated: Take scenes for which nobody knows the gains.

    Returns:
        The scenes, one per camera; their paths point into `workspace`, or into the delivered folder.

    Raises:
        CogBuilderError: One of its subclasses, naming the delivery, the file, what was found and what was expected.
    """
    path = path.absolute()
    files = collect_files(path, workspace)
    tiffs, xmls = (_by_stem(path.name, files, suffixes) for suffixes in ((".tif", ".tiff"), (".xml",)))
    rpcs = _by_stem(path.name, files, (".rpb", ".rpc", _RPC_TEXT))
    metadata, left_out = _recognise(path.name, tiffs, xmls)
    images, unclaimed = [], {stem: tiff for stem, tiff in tiffs.items() if stem not in left_out}
    for image in metadata:
        parts = image.files(unclaimed)
        if parts:
            images.append(_image_files(image, parts, tiffs, rpcs))
        elif (stem := image.documents[0].stem.casefold()) in rpcs and stem not in tiffs:
            raise IncompleteDeliveryError(
                f"{path.name}: {image.documents[0].stem}.tiff is missing beside its XML and RPC"
            )
        for stem in itertools.chain.from_iterable(parts):
            del unclaimed[stem]
    if not images:
        names = ", ".join(f"{image.documents[0].stem}.tiff" for image in metadata)
        raise IncompleteDeliveryError(f"{path.name}: no TIFF, expected {names}")
    for stem in sorted(unclaimed):
        raise _unexplained(path.name, tiffs[stem], xmls.get(stem), metadata)
    warnings = [f"left_out: {tiffs[stem].name}: {reason}" for stem, reason in sorted(left_out.items())]
    return read_scenes(path.name, images, allow_uncalibrated=allow_uncalibrated, left_out=warnings)


def _image_files(
    image: ImageMetadata, parts: tuple[tuple[str, ...], ...], tiffs: Mapping[str, Path], rpcs: Mapping[str, Path]
) -> ImageFiles:
    return ImageFiles(
        image,
        tuple(tuple(tiffs[stem] for stem in part) for part in parts),
        tuple(next((rpcs[stem] for stem in part if stem in rpcs), None) for part in parts),
    )


def _by_stem(delivery: str, files: Iterable[Path], endings: tuple[str, ...]) -> dict[str, Path]:
    """Files of one kind by their base name; letter case does not matter."""
    found: dict[str, Path] = {}
    for path in files:
        name = path.name.casefold()
        ending = next((ending for ending in endings if name.endswith(ending)), None)
        if ending is None:
            continue
        stem = name.removesuffix(ending)
        if stem in found:
            raise BadMetadataError(
                f"{delivery}: both {found[stem].name} and {path.name}, expected one {endings[0]} of that name"
            )
        found[stem] = path
    return found


def _recognise(
    delivery: str, tiffs: Mapping[str, Path], xmls: Mapping[str, Path]
) -> tuple[list[ImageMetadata], dict[str, str]]:
    """Every metadata document of a known dialect: the root element decides, never the file name.

    Deliveries hold other XML too (orders, orbit data); one that cannot be read only matters beside a TIFF.

    Returns:
        The images that can be built, and of the TIFFs that never can, by their base names, why.
    """
    documents: list[tuple[Path, Element]] = []
    trouble: CogBuilderError | None = None
    for stem, path in sorted(xmls.items()):
        try:
            documents.append((path, read_xml(path)))
        except BadMetadataError as error:
            if stem in tiffs:
                raise
            trouble = error
    metadata: list[ImageMetadata] = []
    strange: list[tuple[ImageMetadata, str]] = []
    for image in itertools.chain.from_iterable(read(documents) for read in _DIALECTS.values()):
        try:
            reason = unsupported(image)
        except BadMetadataError as error:
            document = image.documents[0]
            if document.stem.casefold() in tiffs and not unsupported_by_name(document.name):
                raise
            trouble = error
            continue
        if reason:
            strange.append((image, reason))
        else:
            supported_sensor(image)
            metadata.append(image)
    reasons = [reason for _, reason in strange] or _reasons_by_name(delivery, tiffs, xmls, documents)
    if not metadata and reasons:
        raise UnrecognisedDeliveryError(f"{delivery}: {reasons[0]}")
    if not metadata:
        raise trouble or _unrecognised(delivery, tiffs, documents)
    left_out = {stem: reason for stem, tiff in tiffs.items() if (reason := unsupported_by_name(tiff.name))}
    for image, reason in strange:
        left_out |= dict.fromkeys(itertools.chain.from_iterable(image.files(tiffs)), reason)
    return metadata, left_out


def _reasons_by_name(
    delivery: str, tiffs: Mapping[str, Path], xmls: Mapping[str, Path], documents: Iterable[tuple[Path, Element]]
) -> list[str]:
    """Why nothing here can be built, by the names of the files and by the satellite of a foreign document."""
    satellites = [f"{text}_" for _, root in documents if (text := (root.findtext("satellite") or "").strip())]
    names = (delivery, *(path.name for path in (*tiffs.values(), *xmls.values())), *satellites)
    return [reason for name in names if (reason := unsupported_by_name(name))]


def _unrecognised(
    delivery: str, tiffs: Mapping[str, Path], documents: Iterable[tuple[Path, Element]]
) -> CogBuilderError:
    named = tuple(f"{satellite}_{name}_".casefold() for satellite, name in known_sensors())
    for stem, tiff in sorted(tiffs.items()):
        if stem.startswith(named):
            return IncompleteDeliveryError(f"{delivery}: {tiff.stem}.xml is missing, expected beside the TIFF")
    strangers = [f"{path.name} with root <{root.tag.rpartition('}')[2][:40]}>" for path, root in documents]
    found = ", ".join([*strangers, *(tiff.name for tiff in tiffs.values())][:8]) or "no TIFF and no XML"
    return UnrecognisedDeliveryError(
        f"{delivery}: holds {found}; expected XML with root {_roots()} of a known satellite"
    )


def _unexplained(delivery: str, tiff: Path, xml: Path | None, metadata: Iterable[ImageMetadata]) -> CogBuilderError:
    """Why a TIFF that no document speaks of stops a delivery: half of a product must not become a scene."""
    whole, _, number = tiff.stem.rpartition("-")
    if number.isdigit() and any(image.documents[0].stem.casefold() == whole.casefold() for image in metadata):
        return IncompleteDeliveryError(f"{delivery}: {tiff.name} is here, but not every part of {whole} before it")
    if xml is None:
        return IncompleteDeliveryError(f"{delivery}: {tiff.stem}.xml is missing, expected beside the TIFF")
    return BadMetadataError(f"{delivery}: {xml.name} is no {_roots()}, expected one beside {tiff.name}")


def _roots() -> str:
    return ", ".join(f"<{root}>" for root in _DIALECTS)
