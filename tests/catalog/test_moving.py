"""Moving a catalogue between its stores: what one exports the other loads, with equal content."""

from contextlib import ExitStack, closing

import orjson
import pytest

from catalog.errors import InvalidItemError
from catalog.geoparquet import as_lines, read_geoparquet, write_geoparquet
from catalog.loading import load
from catalog.maintenance import export
from catalog.pgstac.migration import WRITER
from catalog.store import open_store
from tests.support.command import imagery_node
from tests.support.stac import COLLECTIONS, crossing_item, some_collection, some_items

DOCUMENTS = [some_collection(collection) for collection in COLLECTIONS]
FACTS = {"eo:cloud_cover": 12.5, "platform": "gaofen-2", "instruments": ["pms1"], "test:list": [1, 2.5]}


@pytest.fixture
def files(tmp_path):
    """A folder with the assets that loaded items must have, and a file with the items."""
    folder = tmp_path / "files"
    folder.mkdir()
    items = [*some_items(30), crossing_item()]
    for number, item in enumerate(items):
        for key, asset in item["assets"].items():
            asset["href"] = str(folder / f"{key}{number}.tif")
        if number % 2:
            item["properties"] |= FACTS
    lines = folder / "items.ndjson"
    lines.write_bytes(b"".join(orjson.dumps(document) + b"\n" for document in (*DOCUMENTS, *items)))
    return folder


@pytest.fixture
def open_kind(tmp_path, database):
    """Opens a store of a kind in a home of its own; gives both."""
    with ExitStack() as opened:

        def _open(kind):
            store = open_store(tmp_path / kind, database=database if kind == "pgstac" else None)
            opened.callback(store.close)
            return {"home": tmp_path / kind, "store": store}

        yield _open


@pytest.mark.parametrize("form", ["ndjson", "geoparquet"])
@pytest.mark.parametrize(("there", "back"), [("sqlite", "pgstac"), ("pgstac", "sqlite")])
def test_what_one_store_exports_the_other_loads(tmp_path, files, open_kind, there, back, form):
    first, second = open_kind(there), open_kind(back)
    assert load(files / "items.ndjson", **first, asset_roots=[files]) == 31
    moved = tmp_path / f"moved.{'parquet' if form == 'geoparquet' else form}"
    if form == "geoparquet":
        write_geoparquet(export(**first), moved)
    else:
        moved.write_bytes(b"".join(orjson.dumps(document) + b"\n" for document in export(**first)))
    with as_lines(moved) as lines:
        assert load(lines, **second, asset_roots=[files]) == 31
    assert list(export(**second)) == list(export(**first))
    assert len(list(export(**second))) == 34


def test_the_commands_move_it_without_telling_the_password(tmp_path, files, database):
    address = database.get_secret_value().replace("//postgres@", f"//{WRITER}:secret@")
    moved = tmp_path / "moved.parquet"
    steps = [
        ("load", files / "items.ndjson", "--home", tmp_path / "first", "--catalog", address),
        ("export", "--format", "geoparquet", "--output", moved, "--home", tmp_path / "first", "--catalog", address),
        ("load", moved, "--home", tmp_path / "second"),
    ]
    for step in steps:
        done = imagery_node("catalog", *step, variables={"CATALOG_ASSET_ROOTS": str(files)})
        assert done.returncode == 0, done.stderr
        assert "secret" not in done.stdout + done.stderr
    assert "loaded 31 items of moved" in done.stdout


def test_values_that_no_column_can_hold_are_refused(tmp_path):
    items = some_items(2)
    items[1]["properties"]["mixed"] = [1, {"a": 2}]
    with pytest.raises(InvalidItemError, match="column"):
        write_geoparquet(items, tmp_path / "table.parquet")
    assert not (tmp_path / "table.parquet").exists()


def test_a_table_says_all_but_nulls_and_other_time_zones(tmp_path):
    items = [*some_items(5), crossing_item()]
    items[1]["properties"] |= {"nothing": None, "updated": "2024-01-01T08:00:00.25+08:00"}
    path = tmp_path / "table.parquet"
    write_geoparquet([*DOCUMENTS, *items], path)
    del items[1]["properties"]["nothing"]
    items[1]["properties"]["updated"] = "2024-01-01T00:00:00.250000Z"
    assert list(read_geoparquet(path)) == [*DOCUMENTS, *items]


def test_members_that_only_some_items_have_stay_theirs(tmp_path):
    items = some_items(3)
    del items[0]["stac_extensions"]
    items[1]["properties"]["test:source"] = {"station": "MYC", "orbit": {"number": 7}}
    items[2]["properties"]["test:source"] = {"orbit": {"number": 8, "path": 9}}
    path = tmp_path / "table.parquet"
    write_geoparquet(items, path)
    assert list(read_geoparquet(path)) == items


def test_a_file_that_is_no_table_is_refused(tmp_path):
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    done = imagery_node("catalog", "load", path, "--home", tmp_path / "home")
    assert done.returncode == 1
    assert "is not stac-geoparquet" in done.stderr


def test_the_command_makes_an_empty_database_a_catalogue(tmp_path, postgres):
    with postgres.new_database("template0") as name:
        address = postgres.address(name)
        refused = imagery_node("catalog", "rebuild", "--home", tmp_path, "--catalog", address.get_secret_value())
        assert refused.returncode == 78
        assert "catalog migrate" in refused.stderr
        for _ in range(2):
            done = imagery_node("catalog", "migrate", "--catalog", address.get_secret_value())
            assert done.returncode == 0, done.stderr
        with closing(open_store(tmp_path, database=address)) as store:
            assert store.collections() == []


@pytest.mark.parametrize("address", ["mysql://user:secret@host/database", "postgresql://user:secret@host/x?nonsense=1"])
def test_an_address_that_cannot_be_read_ends_with_78_and_is_not_repeated(tmp_path, address):
    done = imagery_node("catalog", "rebuild", "--home", tmp_path, variables={"CATALOG_DATABASE": address})
    assert done.returncode == 78
    assert "DATABASE" in done.stderr
    assert "secret" not in done.stderr


def test_without_the_extra_the_command_says_what_to_install(tmp_path):
    blocked = tmp_path / "psycopg.py"
    blocked.write_text("raise ModuleNotFoundError(\"No module named 'psycopg'\", name='psycopg')")
    variables = {"CATALOG_DATABASE": "postgresql://nobody@127.0.0.1/x", "PYTHONPATH": str(tmp_path)}
    done = imagery_node("catalog", "rebuild", "--home", tmp_path, variables=variables)
    assert done.returncode == 78
    assert "imagery-node[pgstac]" in done.stderr
