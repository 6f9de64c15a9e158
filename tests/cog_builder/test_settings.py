"""What the builder's settings accept, and what follows from them."""

import pytest
from pydantic import ValidationError

from cog_builder.settings import CogBuilderSettings


@pytest.mark.parametrize(
    ("memory_mib", "workers", "threads"), [(400, 8, 1), (490, 8, 2), (1024, 8, 6), (1024, 2, 2), (65_536, 64, 64)]
)
def test_threads_are_bound_by_memory(memory_mib, workers, threads):
    assert CogBuilderSettings(memory_mib=memory_mib, workers=workers).threads == threads


def test_an_eighth_of_the_memory_is_for_the_elevation_model():
    assert CogBuilderSettings(memory_mib=1024).dem_cells * 8 == 128 * 2**20


def test_variables_are_read(monkeypatch, tmp_path):
    (tmp_path / "dem.tif").touch()
    monkeypatch.setenv("COG_BUILDER_DEM", str(tmp_path / "dem.tif"))
    monkeypatch.setenv("COG_BUILDER_DEM_VERTICAL_DATUM", "egm96")
    monkeypatch.setenv("COG_BUILDER_TARGET_CRS", "EPSG:32650")
    settings = CogBuilderSettings()
    assert (settings.dem, settings.dem_vertical_datum) == (tmp_path / "dem.tif", "egm96")
    assert settings.epsg == 32650
    assert CogBuilderSettings(target_crs=None).epsg is None


@pytest.mark.parametrize(
    ("profile", "lossless", "lossy", "c_grid"),
    [
        ("compatible", "deflate", "jpeg", False),
        ("compact", "zstd", "jpeg", False),
        ("webp", "deflate", "webp", False),
        ("c", "deflate", "jpeg", True),
        ("compatible,c", "deflate", "jpeg", True),
        ("webp,c,compact", "zstd", "webp", True),
    ],
)
def test_each_name_of_a_profile_changes_one_thing(profile, lossless, lossy, c_grid):
    settings = CogBuilderSettings(profile=profile)
    assert (settings.lossless, settings.lossy, settings.c_grid) == (lossless, lossy, c_grid)


@pytest.mark.parametrize("code", [4490, 4491, 4527, 4548, 4554, 32601, 32760, 3857, 4326])
def test_scenes_may_be_built_in(code):
    assert CogBuilderSettings(target_crs=f"EPSG:{code}").epsg == code


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("COG_BUILDER_MEMORY_MIB", "399", "greater than or equal to 400"),
        ("COG_BUILDER_MEMORY_MIB", "plenty", "valid integer"),
        ("COG_BUILDER_WORKERS", "0", "greater than or equal to 1"),
        ("COG_BUILDER_TARGET_CRS", "WGS84", "'WGS84' is no CRS that scenes are built in; expected EPSG:4490"),
        ("COG_BUILDER_TARGET_CRS", "EPSG:999999", "'EPSG:999999' is no CRS"),
        ("COG_BUILDER_TARGET_CRS", "EPSG:2383", "'EPSG:2383' is no CRS"),
        ("COG_BUILDER_TARGET_CRS", "4490", "'4490' is no CRS"),
        ("COG_BUILDER_TARGET_CRS", "EPSG:²", "is no CRS"),
        ("COG_BUILDER_PROFILE", "tiny", "'tiny' is no profile; expected compatible, or any of compact, webp and c"),
        ("COG_BUILDER_PROFILE", "compact,webp,", "'compact,webp,' is no profile"),
        ("COG_BUILDER_PROFILE", "compatible,webp", "'compatible,webp' is no profile"),
        ("COG_BUILDER_DEM", "/nowhere/dem.tif", "/nowhere/dem.tif: no such file"),
        ("COG_BUILDER_DEM_VERTICAL_DATUM", "msl", "'auto', 'ellipsoid' or 'egm96'"),
        ("COG_BUILDER_MEMORY", "1024", "unknown settings: COG_BUILDER_MEMORY"),
    ],
)
def test_a_wrong_or_unknown_variable_is_refused(monkeypatch, variable, value, said):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match=said):
        CogBuilderSettings()


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        CogBuilderSettings().workers = 3
