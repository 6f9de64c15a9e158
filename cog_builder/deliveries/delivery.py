"""Opening a delivery: find its files, recognise the product, read the scene."""

from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import Element

from cog_builder.deliveries.archive import collect_files
from cog_builder.deliveries.gaofen import ProductFiles, read_scene, supported_sensor
from cog_builder.deliveries.product_metadata import ROOT, ProductMetadata
from cog_builder.deliveries.xml_document import read_xml
from cog_builder.errors import (
    BadMetadataError,
    CogBuilderError,
    IncompleteDeliveryError,
    UnrecognisedDeliveryError,
)
from cog_builder.scene import Scene
from cog_builder.sensor import known_sensors


def open_delivery(path: Path, workspace: Path) -> Scene:
    """Read one delivered product, whatever it is packed in, and check everything but its pixels.

    Args:
        path: A folder, or a tar, tar.gz or zip file, under any name.
        workspace: An existing empty folder that receives the wanted members of an archive; a folder is read in place.

    Returns:
        The scene; its paths point into `workspace`, or into the delivered folder.

    Raises:
        CogBuilderError: One of its subclasses, naming the delivery, the file, what was found and what was expected.
    """
    path = path.absolute()
    files = collect_files(path, workspace)
    tiffs, rpbs, xmls = (_by_stem(path.name, files, suffixes) for suffixes in ((".tif", ".tiff"), (".rpb",), (".xml",)))
    metadata = _recognise(path.name, tiffs, xmls)
    if not tiffs:
        raise IncompleteDeliveryError(f"{path.name}: no TIFF, expected {_expected_beside(metadata, rpbs)}")
    for stem in sorted(metadata.keys() & rpbs.keys() - tiffs.keys()):
        raise IncompleteDeliveryError(f"{path.name}: {metadata[stem].path.stem}.tiff is missing beside its XML and RPB")
    products = []
    for stem, tiff in sorted(tiffs.items()):
        for others, suffix in ((xmls, ".xml"), (rpbs, ".rpb")):
            if stem not in others:
                raise IncompleteDeliveryError(f"{path.name}: {tiff.stem}{suffix} is missing, expected beside the TIFF")
        if stem not in metadata:
            raise BadMetadataError(f"{path.name}: {xmls[stem].name} is no {ROOT}, expected one beside {tiff.name}")
        products.append(ProductFiles(metadata[stem], tiff, rpbs[stem]))
    return read_scene(path.name, tuple(products))


def _by_stem(delivery: str, files: tuple[Path, ...], suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files of one kind by their base name; letter case does not matter."""
    found: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() not in suffixes:
            continue
        stem = path.stem.casefold()
        if stem in found:
            raise BadMetadataError(
                f"{delivery}: both {found[stem].name} and {path.name}, expected one {suffixes[0]} of that name"
            )
        found[stem] = path
    return found


def _recognise(delivery: str, tiffs: Mapping[str, Path], xmls: Mapping[str, Path]) -> dict[str, ProductMetadata]:
    """Every `ProductMetaData` document by base name: the root element decides, never the file name.

    Deliveries hold other XML too (orders, orbit data); one that cannot be read only matters beside a TIFF.
    """
    metadata: dict[str, ProductMetadata] = {}
    strangers: list[str] = []
    trouble: CogBuilderError | None = None
    for stem, path in sorted(xmls.items()):
        try:
            root = read_xml(path)
        except BadMetadataError as error:
            if stem in tiffs:
                raise
            trouble = error
            continue
        if product := ProductMetadata.from_xml(path, root):
            supported_sensor(product)
            metadata[stem] = product
        else:
            strangers.append(_described(path, root))
    if not metadata:
        raise trouble or _unrecognised(delivery, tiffs, strangers)
    return metadata


def _described(path: Path, root: Element) -> str:
    return f"{path.name} with root <{root.tag.rpartition('}')[2][:40]}>"


def _unrecognised(delivery: str, tiffs: Mapping[str, Path], strangers: list[str]) -> CogBuilderError:
    named = tuple(f"{satellite}_{name}_".casefold() for satellite, name in known_sensors())
    for stem, tiff in sorted(tiffs.items()):
        if stem.startswith(named):
            return IncompleteDeliveryError(f"{delivery}: {tiff.stem}.xml is missing, expected beside the TIFF")
    found = ", ".join([*strangers, *(tiff.name for tiff in tiffs.values())][:8]) or "no TIFF and no XML"
    return UnrecognisedDeliveryError(f"{delivery}: holds {found}; expected XML with root <{ROOT}> of a known satellite")


def _expected_beside(metadata: Mapping[str, ProductMetadata], rpbs: Mapping[str, Path]) -> str:
    stems = sorted(metadata.keys() & rpbs.keys()) or sorted(metadata)
    return ", ".join(f"{metadata[stem].path.stem}.tiff" for stem in stems)
