import pytest

from tests.support.published import node_at, put_collection


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Three dates of one place in two collections; the newest of gf2-pms is cloudy."""
    with node_at(tmp_path_factory.mktemp("home")) as running:
        for collection in ("gf1-pms", "gf2-pms"):
            put_collection(running.store, collection)
        running.publish("OLD", "2024-03-01T03:00:00Z", colour=(200, 60, 40), cloud_cover=3)
        running.publish("CLOUDY", "2024-09-10T03:00:00Z", colour=(240, 240, 240), cloud_cover=90)
        running.publish("OTHER", "2024-06-05T03:00:00Z", collection="gf1-pms", colour=(40, 60, 200), cloud_cover=0)
        yield running
