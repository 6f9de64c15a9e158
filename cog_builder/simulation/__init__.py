"""Structurally faithful deliveries made from a synthetic world, for tests, demos and training."""

from cog_builder.simulation.delivery import simulate_delivery
from cog_builder.simulation.ground import GroundGrid, RasterWorld, World
from cog_builder.simulation.request import SimulationRequest

__all__ = ["GroundGrid", "RasterWorld", "SimulationRequest", "World", "simulate_delivery"]
