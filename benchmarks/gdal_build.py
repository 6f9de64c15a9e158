"""What GDAL users run to make the files of a scene: warp with RPC and DEM, arithmetic by blocks, the COG driver."""

from dataclasses import replace

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.shutil import copy as copy_raster
from rasterio.warp import reproject

from catalog.collection import collection_document
from cog_builder.calibration import calibration
from cog_builder.map_grid import tile_grid
from cog_builder.stretch import Stretch

THREADS = 2
_BANDS = [1, 2, 3, 4]
_LOSSLESS = {"COMPRESS": "DEFLATE", "PREDICTOR": "2", "BLOCKSIZE": "512", "NUM_THREADS": str(THREADS)}


def warp(raw, pixels, out, crs, transform, dem, resampling):
    """GDAL's RPC and DEM warp with its default tolerance."""
    reproject(
        pixels,
        out,
        rpcs=raw.rpcs,
        src_crs="EPSG:4326",
        src_nodata=0,
        dst_crs=crs,
        dst_transform=transform,
        dst_nodata=0,
        resampling=resampling,
        num_threads=THREADS,
        warp_mem_limit=512,
        RPC_DEM=str(dem),
    )


def build(scene, outline, grid, dem, out):
    """Write analytic.tif, quality.tif and visual.tif of a scene without pan band into `out`."""
    with rasterio.open(scene.main.parts[0].paths[0]) as raw:
        flat = warped(raw, grid, dem, out / "flat.tif")
        reflectance_files(scene, flat, out)
        tiles, _ = tile_grid(*outline, scene.main.gsd_m)
        picture_file(scene, warped(raw, tiles, dem, out / "mercator.tif"), out)


def build_pms(scene, outline, grids, dem, out):
    """Write analytic.tif, quality.tif, sharp.tif and visual.tif of a scene with a pan band into `out`."""
    colours, grey = (image.parts[0].paths[0] for image in scene.images)
    with rasterio.open(colours) as ms, rasterio.open(grey) as pan:
        flat = warped(ms, grids[0], dem, out / "flat.tif")
        fine = warped(pan, grids[1], dem, out / "fine.tif")
        sharp_file(scene, pansharpened(flat, fine, out), out)
        tiles, _ = tile_grid(*outline, scene.finest_gsd_m)
        coarse = replace(tiles, pixel=tiles.pixel * 4, width=-(-tiles.width // 4), height=-(-tiles.height // 4))
        low = warped(ms, coarse, dem, out / "mercator-ms.tif")
        high = warped(pan, tiles, dem, out / "mercator-pan.tif")
        picture_file(scene, pansharpened(low, high, out), out)
        reflectance_files(scene, flat, out)


def pansharpened(colours, grey, out):
    """GDAL's weighted Brovey of two warped files, as a virtual file; digital numbers are brought to one scale first."""
    bands = "".join(
        f'<SpectralBand dstBand="{band}"><SourceFilename relativeToVRT="0">{colours}</SourceFilename>'
        f"<SourceBand>{band}</SourceBand></SpectralBand>"
        for band in _BANDS
    )
    text = (
        '<VRTDataset subClass="VRTPansharpenedDataset"><PansharpeningOptions><Algorithm>WeightedBrovey</Algorithm>'
        f"<AlgorithmOptions><Weights>0.25,0.25,0.25,0.25</Weights></AlgorithmOptions><NumThreads>{THREADS}</NumThreads>"
        f'<Resampling>Cubic</Resampling><NoData>0</NoData><PanchroBand><SourceFilename relativeToVRT="0">{grey}'
        f"</SourceFilename><SourceBand>1</SourceBand></PanchroBand>{bands}</PansharpeningOptions></VRTDataset>"
    )
    path = out / f"{grey.stem}.vrt"
    path.write_text(text)
    return path


def sharp_file(scene, sharpened, out):
    """sharp.tif: reflectance of the sharpened bands."""
    line, scaled = calibration(scene, scene.main), out / "sharp-scaled.tif"
    with rasterio.open(sharpened) as made:
        profile = {**made.profile, "driver": "GTiff", "dtype": "uint16", "nodata": 0}
        profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "pixel"}
        with rasterio.open(scaled, "w", **profile) as target:
            for _, window in target.block_windows(1):
                dn = made.read(window=window)
                reflectance = np.rint(line.reflectance(np.moveaxis(dn, 0, -1).astype(np.float32)) * 10000)
                target.write(np.where(dn.any(0), np.moveaxis(reflectance, -1, 0), 0).astype(np.uint16), window=window)
    copy_raster(scaled, out / "sharp.tif", driver="COG", OVERVIEW_RESAMPLING="AVERAGE", **_LOSSLESS)


def warped(raw, grid, dem, path):
    """Digital numbers on a map grid, as a tiled file."""
    profile = {"driver": "GTiff", "width": grid.width, "height": grid.height, "count": raw.count, "dtype": "uint16"}
    profile |= {"nodata": 0, "crs": f"EPSG:{grid.epsg}", "transform": grid.transform}
    profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512}
    with rasterio.open(path, "w", **profile) as made:
        bands = list(raw.indexes)
        warp(
            raw, rasterio.band(raw, bands), rasterio.band(made, bands), made.crs, made.transform, dem, Resampling.cubic
        )
    return path


def reflectance_files(scene, flat, out):
    """analytic.tif and quality.tif."""
    line = calibration(scene, scene.main)
    flags_path = out / "flags.tif"
    with rasterio.open(flat, "r+") as made:
        profile = {**made.profile, "count": 1, "dtype": "uint8", "nodata": 1}
        with rasterio.open(flags_path, "w", **profile) as flags:
            for _, window in made.block_windows(1):
                dn = made.read(window=window)
                valid = dn.any(0)
                reflectance = np.rint(line.reflectance(np.moveaxis(dn, 0, -1).astype(np.float32)) * 10000)
                made.write(np.where(valid, np.moveaxis(reflectance, -1, 0), 0).astype(np.uint16), window=window)
                flags.write(np.where(valid, (dn >= 1023).any(0) * 2, 1).astype(np.uint8), 1, window=window)
    copy_raster(flat, out / "analytic.tif", driver="COG", OVERVIEW_RESAMPLING="AVERAGE", **_LOSSLESS)
    copy_raster(flags_path, out / "quality.tif", driver="COG", OVERVIEW_RESAMPLING="NEAREST", **_LOSSLESS)


def picture_file(scene, mercator, out):
    """visual.tif: stretched colours with a mask, JPEG."""
    line, names = calibration(scene, scene.main), [band.name for band in scene.main.bands]
    stretch = Stretch.of_collection(collection_document(scene.collection))
    picture = out / "picture.tif"
    with rasterio.open(mercator) as made:
        profile = {**made.profile, "driver": "GTiff", "dtype": "uint8", "nodata": None, "photometric": "RGB"}
        profile |= {"alpha": "YES", "count": 4, "tiled": True, "blockxsize": 512, "blockysize": 512}
        with rasterio.open(picture, "w", **profile) as rgb:
            for _, window in made.block_windows(1):
                dn = made.read(window=window)
                shown = stretch.picture(line.reflectance(np.moveaxis(dn, 0, -1).astype(np.float32)), names)
                rgb.write(np.moveaxis(shown, -1, 0), [1, 2, 3], window=window)
                rgb.write((dn.any(0) * 255).astype(np.uint8), 4, window=window)
    copy_raster(
        picture, out / "visual.tif", driver="COG", COMPRESS="JPEG", QUALITY="85", BLOCKSIZE="256",
        OVERVIEW_RESAMPLING="AVERAGE", NUM_THREADS=str(THREADS), ADD_MASK="YES",
    )  # fmt: skip
