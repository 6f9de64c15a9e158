"""One simulated delivery: the files that an agency would send, packed the way it would send them."""

import gzip
import itertools
import shutil
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning

from cog_builder.simulation import (
    metadata,
    metadata_jilin,
    metadata_prdf,
    metadata_root_data,
    metadata_sensor_corrected,
)
from cog_builder.simulation.exposure import Exposure
from cog_builder.simulation.plan import ImagePlan, TiffPlan, plan_images
from cog_builder.simulation.request import SimulationRequest

_SIDE_FILES: dict[str, Callable[[SimulationRequest, tuple[ImagePlan, ...]], dict[str, bytes]]] = {
    "ProductMetaData": metadata.side_files,
    "sensor_corrected_metadata": metadata_sensor_corrected.side_files,
    "root/data": metadata_root_data.side_files,
    "prdf": metadata_prdf.side_files,
    "MetaData/ProductInfo": metadata_jilin.side_files,
}
"""Dialect of a product → what writes its XML and RPC files, by name."""
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
    images = plan_images(request)
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".simulating-") as workspace:
        folder = Path(workspace) / request.name
        folder.mkdir()
        for _, camera in itertools.groupby(images, lambda image: image.profile.sensor):
            _write_pixels(request, tuple(camera), folder, workers)
        for name, content in _SIDE_FILES[request.product.dialect](request, images).items():
            (folder / name).write_bytes(content)
        for image in images:
            _write_pictures(request, image, folder)
        return _pack(folder, out_dir, request.packing)


def _write_pixels(request: SimulationRequest, images: tuple[ImagePlan, ...], folder: Path, workers: int) -> None:
    """The TIFFs of one camera: strips, pixel-interleaved; without CRS and geotransform unless they lie on a map."""
    exposure = Exposure.of(request, images)
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        tiffs = [
            [(plan, stack.enter_context(_open_tiff(folder, request, image, plan))) for plan in image.files()]
            for image in images
        ]
        rows = [0] * len(images)
        for parts in exposure.bands_of_rows(workers=workers):
            for index, (files, part) in enumerate(zip(tiffs, parts, strict=True)):
                for plan, tiff in files:
                    window = rasterio.windows.Window(0, rows[index], tiff.width, part.shape[0])
                    pixels = part[:, slice(*plan.cols)][..., plan.bands]
                    tiff.write(np.moveaxis(pixels, -1, 0).astype(tiff.dtypes[0]), window=window)
                rows[index] += part.shape[0]


def _open_tiff(folder: Path, request: SimulationRequest, image: ImagePlan, plan: TiffPlan) -> rasterio.io.DatasetWriter:
    product, place = request.product, {}
    if image.reference is not None:
        transform = image.reference.transform @ Affine.translation(plan.cols[0], 0)
        place = {"crs": f"EPSG:{image.reference.epsg}", "transform": transform}
    return rasterio.open(
        folder / f"{plan.stem}{product.tiff}",
        "w",
        driver="GTiff",
        width=plan.cols[1] - plan.cols[0],
        height=image.height,
        count=len(plan.bands),
        dtype=product.sample,
        nodata=product.nodata,
        interleave="pixel",
        photometric="MINISBLACK",
        **place,
    )


def _write_pictures(request: SimulationRequest, image: ImagePlan, folder: Path) -> None:
    """A small picture of the image, of its first part where it has several, and a 256-pixel one squeezed square."""
    bands: list[NDArray[np.uint16]] = []
    files = [plan for plan in image.files() if plan.cols[0] == 0]
    step = image.profile.browse_step
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        for plan in files:
            with rasterio.open(folder / f"{plan.stem}{request.product.tiff}") as tiff:
                shape = (tiff.count, -(-tiff.height // step), -(-tiff.width // step))
                bands.extend(tiff.read(out_shape=shape, resampling=Resampling.average))
    colours = bands[:3] if len(bands) >= 3 else bands[:1]
    picture = np.moveaxis(_stretched(np.stack(colours)), 0, -1)
    square = cv2.resize(picture, (_THUMB_PX, _THUMB_PX), interpolation=cv2.INTER_AREA)
    for ending, pixels in zip(request.product.pictures, (picture, square), strict=True):
        if ending:
            cv2.imwrite(str(folder / f"{image.stem}{ending}"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])


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
