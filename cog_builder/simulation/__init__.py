"""Structurally faithful deliveries made from a synthetic world, for tests, demos and training."""

from cog_builder.simulation.delivery import simulate_delivery
from cog_builder.simulation.demo import simulate_demo
from cog_builder.simulation.ground import GroundGrid, World
from cog_builder.simulation.landscape import Landscape
from cog_builder.simulation.request import SimulationRequest
from cog_builder.simulation.world_file import RasterWorld, write_dem, write_world

__all__ = [
    "GroundGrid",
    "Landscape",
    "RasterWorld",
    "SimulationRequest",
    "World",
    "simulate_delivery",
    "simulate_demo",
    "write_dem",
    "write_world",
]
