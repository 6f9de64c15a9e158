"""A small tilted camera with parallax, turned against north, for geometry tests."""

import math
from dataclasses import replace

from cog_builder.rpc import Rpc

LONGITUDE, LATITUDE = 116.4, 39.9
WIDTH, HEIGHT, GSD_M = 700, 500, 8.0


def _terms(**at):
    return tuple(at.get(f"t{index}", 0.0) for index in range(20))


def tilted_camera(**changes):
    """An image of 700 × 500 pixels of about 8 m at 116.4 E 39.9 N; 0.12 pixels of parallax per metre of height."""
    turn = math.radians(12)
    scale_px = 400.0
    degrees = scale_px * GSD_M / 111_000
    rpc = Rpc(
        line_offset=HEIGHT / 2,
        sample_offset=WIDTH / 2,
        latitude_offset=LATITUDE,
        longitude_offset=LONGITUDE,
        height_offset_m=300.0,
        height_scale_m=1000.0,
        line_scale=scale_px,
        sample_scale=scale_px,
        latitude_scale=degrees,
        longitude_scale=degrees / math.cos(math.radians(LATITUDE)),
        line_numerator=_terms(t1=-math.sin(turn), t2=-math.cos(turn), t3=0.01, t4=2e-4, t7=1e-4, t8=-1e-4),
        line_denominator=_terms(t0=1.0, t1=1e-4, t2=-2e-4),
        sample_numerator=_terms(t1=math.cos(turn), t2=-math.sin(turn), t3=0.3, t4=-1e-4, t7=2e-4),
        sample_denominator=_terms(t0=1.0, t1=1e-4, t2=-2e-4),
    )
    return replace(rpc, **changes)
