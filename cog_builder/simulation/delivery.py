"""One simulated delivery: the files that an agency would send, packed the way it would send them."""

import gzip
import shutil
import tarfile
import tempfile
import warnings
import zipfile
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning

from cog_builder.simulation.exposure import Exposure
from cog_builder.simulation.metadata import product_xml, rpb
from cog_builder.simulation.request import ImagePlan, SimulationRequest

_THUMB_PX = 256
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time stamp of packed files: the same request gives the same bytes."""


def simulate_delivery(request: SimulationRequest, out_dir: Path, *, workers: int = 2) -> Path:
    """Simulate one delivery.

    Args:
        request: What to simulate.
        out_dir: Where the delivery goes; made when missing.
        workers: Threads that draw the ground.

    Returns:
        The archive, or the folder, named as the product.

    Raises:
        CogBuilderError: The request does not describe a product, or its elevation does not reach the scene.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    images = request.images()
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".simulating-") as workspace:
        folder = Path(workspace) / request.name
        folder.mkdir()
        _write_pixels(request, images, folder, workers)
        for image in images:
            (folder / f"{image.stem}.rpb").write_text(rpb(image.rpc), encoding="ascii", newline="\n")
            (folder / f"{image.stem}.xml").write_text(product_xml(request, image), encoding="ascii", newline="\n")
            _write_browse(image, folder)
        if request.dialect == "2023" and request.product.pan is not None:
            shutil.copyfile(folder / f"{images[0].stem}.xml", folder / f"{request.name}.xml")
        return _pack(folder, out_dir, request.packing)


def _write_pixels(request: SimulationRequest, images: tuple[ImagePlan, ...], folder: Path, workers: int) -> None:
    """The TIFFs: strips of uint16, pixel-interleaved, no CRS, no geotransform, no nodata tag."""
    exposure = Exposure.of(request, images)
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        tiffs = [stack.enter_context(_open_tiff(folder, image)) for image in images]
        rows = [0] * len(images)
        for parts in exposure.bands_of_rows(workers=workers):
            for index, (tiff, part) in enumerate(zip(tiffs, parts, strict=True)):
                window = rasterio.windows.Window(0, rows[index], part.shape[1], part.shape[0])
                tiff.write(np.moveaxis(part, -1, 0), window=window)
                rows[index] += part.shape[0]


def _open_tiff(folder: Path, image: ImagePlan) -> rasterio.io.DatasetWriter:
    return rasterio.open(
        folder / f"{image.stem}.tiff",
        "w",
        driver="GTiff",
        width=image.width,
        height=image.height,
        count=len(image.gains),
        dtype="uint16",
        interleave="pixel",
        photometric="MINISBLACK",
    )


def _write_browse(image: ImagePlan, folder: Path) -> None:
    """A small picture of the whole image, and a 256-pixel one squeezed into a square."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(folder / f"{image.stem}.tiff") as tiff:
            step = image.profile.browse_step
            shape = (-(-image.height // step), -(-image.width // step))
            bands = [3, 2, 1] if image.kind == "ms" else [1]
            pixels = tiff.read(bands, out_shape=(len(bands), *shape), resampling=Resampling.average)
    picture = np.moveaxis(_stretched(pixels), 0, -1)[..., ::-1]
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
    cv2.imwrite(str(folder / f"{image.stem}.jpg"), picture, quality)
    thumb = cv2.resize(picture, (_THUMB_PX, _THUMB_PX), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folder / f"{image.stem}_thumb.jpg"), thumb, quality)


def _stretched(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Eight bits per band (band, row, column), from the 1st to the 99th percentile."""
    low, high = np.percentile(pixels, (1, 99), axis=(1, 2), keepdims=True)
    return np.clip((pixels - low) / np.maximum(high - low, 1) * 255, 0, 255).astype(np.uint8)  # type: ignore[no-any-return]


def _pack(folder: Path, out_dir: Path, packing: str) -> Path:
    members = sorted(folder.iterdir())
    if packing == "folder":
        target = out_dir / folder.name
        shutil.rmtree(target, ignore_errors=True)
        return folder.rename(target)
    target = out_dir / f"{folder.name}.{packing}"
    packed = folder.parent / target.name
    if packing == "zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for member in members:
                with archive.open(zipfile.ZipInfo(member.name, _EPOCH), "w") as entry, member.open("rb") as content:
                    shutil.copyfileobj(content, entry)
    else:
        with (
            packed.open("wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for member in members:
                header = tarfile.TarInfo(member.name)
                header.size = member.stat().st_size
                with member.open("rb") as content:
                    archive.addfile(header, content)
    return packed.rename(target)
