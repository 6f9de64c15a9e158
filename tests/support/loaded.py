"""Items as programs elsewhere make them: absolute hrefs of files in an archive, no version."""

from tests.support.stac import some_items


def foreign_items(archive, count):
    """Items, and their one file each."""
    found = []
    for item in some_items(count):
        place = archive / item["id"]
        place.mkdir(parents=True, exist_ok=True)
        (place / "visual.tif").write_bytes(b"image")
        properties = {key: value for key, value in item["properties"].items() if key != "version"}
        assets = {"visual": {"href": str(place / "visual.tif"), "type": "image/tiff", "roles": ["visual"]}}
        found.append(item | {"assets": assets, "properties": properties})
    return found
