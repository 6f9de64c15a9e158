"""The command `simulate`."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cog_builder.elevation import DemFile
from cog_builder.errors import CogBuilderError
from cog_builder.simulation.delivery import simulate_delivery
from cog_builder.simulation.demo import simulate_demo
from cog_builder.simulation.landscape import Landscape
from cog_builder.simulation.request import SimulationRequest
from cog_builder.simulation.world_file import RasterWorld, write_dem

_MARGIN = 1.4
_METRES_PER_DEGREE = 111_000


def simulate(
    out: Annotated[Path, typer.Argument(file_okay=False, help="Folder that gets the deliveries and dem.tif.")],
    demo: Annotated[bool, typer.Option("--demo", help="Six deliveries of one place, as `make demo` shows.")] = False,
    satellite: Annotated[str, typer.Option(help="As its agency writes it: GF1, ZY3-3, CBERS4A.")] = "GF1",
    sensor: Annotated[str, typer.Option(help="As its agency writes it: PMS1, WFV3, MUX.")] = "PMS1",
    variant: Annotated[
        str | None, typer.Option(help="Product where a sensor has several, such as gf1-wfv-l2a; else the usual one.")
    ] = None,
    acquired: Annotated[datetime, typer.Option(help="UTC.")] = datetime(2022, 5, 20, 3, 20),
    longitude: Annotated[float, typer.Option(min=-180, max=180, help="Of the scene's centre.")] = 116.42,
    latitude: Annotated[float, typer.Option(min=-85, max=85)] = 39.88,
    pixels: Annotated[int, typer.Option(min=64, max=32_768, help="Side of the multispectral image.")] = 512,
    cloud: Annotated[float, typer.Option(min=0, max=100, help="Percent of the scene that clouds hide.")] = 0.0,
    world: Annotated[
        Path | None, typer.Option(exists=True, help="GeoTIFF of blue, green, red, nir reflectance; else invented land.")
    ] = None,
    dem: Annotated[Path | None, typer.Option(exists=True, help="Heights above the ellipsoid; else invented.")] = None,
    product_id: Annotated[int, typer.Option(min=1)] = 6547030,
    seed: Annotated[int, typer.Option(help="Other clouds over the same land.")] = 1,
) -> None:
    """Simulate deliveries for tests, demos and training: invented pixels in the structure of real ones."""
    try:
        made = simulate_demo(out) if demo else []
        if not demo:
            out.mkdir(parents=True, exist_ok=True)
            land = Landscape(longitude, latitude)
            request = SimulationRequest(
                satellite=satellite,
                sensor_name=sensor,
                acquired=acquired.replace(tzinfo=UTC),
                longitude=longitude,
                latitude=latitude,
                width=pixels,
                height=pixels,
                world=land if world is None else RasterWorld(world),
                elevation=land,
                product_id=product_id,
                variant=variant,
                cloud_percent=cloud,
                seed=seed,
            )
            ground = _around((longitude, latitude), _half_m(request))
            heights = DemFile(dem or write_dem(land, out / "dem.tif", ground), "ellipsoid")
            request = replace(request, elevation=heights)
            made = [simulate_delivery(request, out)]
    except CogBuilderError as error:
        typer.echo(f"refused ({error.code}): {error}", err=True)
        raise typer.Exit(1) from error
    for path in made:
        typer.echo(path)


def _half_m(request: SimulationRequest) -> float:
    """Half the side of the ground a scene may see, with room for its turn and its tilt."""
    return _MARGIN / 2 * request.width * max(image.gsd_m for image in request.product.images) + 2000


def _around(place: tuple[float, float], half_m: float) -> tuple[float, float, float, float]:
    """West, south, east, north of a square around a place (longitude, latitude)."""
    longitude, latitude = place
    north = half_m / _METRES_PER_DEGREE
    east = north / math.cos(math.radians(latitude))
    return longitude - east, latitude - north, longitude + east, latitude + north
