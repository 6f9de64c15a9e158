"""Tiny deliveries of any product of the simulator, and ways to rewrite them."""

import re

from cog_builder.deliveries import open_delivery
from tests.support.simulated import tiny_delivery

SMALL = {"width": 64, "height": 60, "packing": "folder"}


def delivered(tmp_path, variant, satellite, sensor_name, **changes):
    request = {**SMALL, "satellite": satellite, "sensor_name": sensor_name, "variant": variant, **changes}
    return tiny_delivery("gf1-pms", tmp_path, **request)


def scenes_of(delivery, tmp_path):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return {scene.sensor.name: scene for scene in open_delivery(delivery, workspace)}


def rewritten(pattern, replacement):
    def change(folder):
        for xml in folder.glob("*.xml"):
            found, count = re.subn(pattern, replacement, xml.read_text(), flags=re.DOTALL)
            assert count, f"{pattern} is not in {xml.name}"
            xml.write_text(found)

    return change


def renamed(new_name):
    def change(folder):
        for path in list(folder.iterdir()):
            path.rename(new_name(path))

    return change
