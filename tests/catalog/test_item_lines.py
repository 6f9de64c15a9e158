"""Lines of Items and Collections: the same whether one process or several check them, and none outlives the loader."""

import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import orjson
import pytest

from catalog import item_lines
from catalog.checked_item import CheckedItem
from catalog.errors import InvalidItemError, StoreUnavailableError
from catalog.item import checked_item
from catalog.item_lines import read_lines, survey
from catalog.line_worker import LineWorker
from tests.support.stac import some_collection, some_items

ITEMS = some_items(60)


@pytest.fixture
def several_processes(monkeypatch):
    """Whatever the size of the file."""
    monkeypatch.setattr(item_lines, "_LARGE_BYTES", 0)
    monkeypatch.setattr(item_lines, "_BATCH_BYTES", 4096)


@pytest.fixture
def source(tmp_path):
    """A file with something of everything."""
    lines = [orjson.dumps(item) for item in ITEMS]
    lines[7:7] = [
        b"  ",
        orjson.dumps(some_collection("gf1-pms")),
        b'{"type": "Feature"',
        orjson.dumps(ITEMS[0] | {"id": 5}),
    ]
    path = tmp_path / "items.ndjson"
    path.write_bytes(b"\n".join(lines))
    return path


def _refuse_number_five(item):
    if item["id"] == ITEMS[5]["id"]:
        raise InvalidItemError("number five")


def _told(lines):
    """What can be compared: notes and errors are of one process."""
    return [
        line._replace(fields=None)
        if isinstance(line, CheckedItem)
        else str(line)
        if isinstance(line, Exception)
        else line
        for line in lines
    ]


def test_every_line_is_told_in_its_place(source):
    found = _told(read_lines(source, rule=_refuse_number_five))
    assert found[5] == "number five"
    assert found[7:9] == [None, some_collection("gf1-pms")]
    assert found[9].startswith("not JSON")
    assert "id is 5" in found[10]
    assert found[11:] == _told(map(checked_item, ITEMS[7:]))


def test_several_processes_tell_the_same_as_one(source, several_processes, request):
    found = _told(read_lines(source, rule=_refuse_number_five))
    request.getfixturevalue("monkeypatch").undo()
    assert found == _told(read_lines(source, rule=_refuse_number_five))


def test_the_properties_noted_by_several_processes_are_all_there(source, several_processes):
    noted = {id(line.fields): line.fields for line in read_lines(source) if isinstance(line, CheckedItem)}
    assert len(noted) > 2, "of several batches"
    titles = {title for notes in noted.values() for _, name, seen in notes if name == "title" for title in seen.texts}
    assert titles == {item["properties"]["title"] for item in ITEMS}


def test_leaving_off_in_the_middle_ends_the_processes(source, several_processes):
    lines = read_lines(source)
    next(lines)
    assert active_children()
    lines.close()
    assert not active_children()


def test_a_checking_process_that_dies_is_told():
    worker = LineWorker(item_lines.check_lines)
    worker.begin(b"{}")
    assert isinstance(worker.result()[0], InvalidItemError)
    (child,) = active_children()
    child.kill()
    worker.begin(b"{}")
    with pytest.raises(StoreUnavailableError, match="was ended"):
        worker.result()
    worker.stop()


def test_checking_processes_hold_nothing_open_of_the_one_that_started_them(source, several_processes):
    with source.open("rb") as held:
        lines = read_lines(source)
        next(lines)
        for child in active_children():
            files = [str(file.readlink()) for file in Path(f"/proc/{child.pid}/fd").iterdir()]
            assert held.name not in files
            assert sum(file.startswith("pipe:") for file in files) <= 2 + 2, "its own, and the standard streams'"
        lines.close()


_READ = """
import sys, time
from pathlib import Path
from catalog import item_lines
item_lines._LARGE_BYTES = 0
lines = item_lines.read_lines(Path(sys.argv[1]))
next(lines)
print("reading", flush=True)
time.sleep(60)
"""


def test_P01_checking_processes_end_with_the_one_that_is_killed(source):
    command = [sys.executable, "-c", _READ, source]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as reader:
        assert reader.stdout.readline() == b"reading\n"
        children = _children(reader.pid)
        reader.kill()
    assert children
    for _ in range(600):
        if not any(Path(f"/proc/{child}/stat").exists() for child in children):
            break
        time.sleep(0.1)
    else:
        pytest.fail("a checking process lives on")


def _children(parent):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


# What collections a file needs


def test_a_survey_finds_collections_and_samples_of_those_not_known(source):
    described, samples = survey(source, known={"gf2-pms"}, sample=3)
    assert described == {"gf1-pms": some_collection("gf1-pms")}
    assert {name: [item["id"] for item in items] for name, items in samples.items()} == {
        "gf1-wfv": [item["id"] for item in ITEMS if item["collection"] == "gf1-wfv"][:3]
    }


@pytest.mark.parametrize(
    "line",
    [
        b'{"x": {"collection":"known"}, "collection" : "gf1-pms", ',
        b'{"x": "\\"collection\\":\\"known\\"", "collection":"gf1-pms", ',
        b'{"collection":"known", "\\u0063ollection":"gf1-pms", ',
        b'{"x": ["collection", "known"], "collection":' + b" " * 1000 + b'"gf1-pms", ',
        b'{"collection":"known"}\n{"collection":"gf1-pms", ',
    ],
)
def test_a_survey_is_not_led_astray_by_what_only_looks_like_the_collection(tmp_path, line):
    rest = {key: value for key, value in ITEMS[0].items() if key != "collection"}
    (tmp_path / "items.ndjson").write_bytes(line + orjson.dumps(rest)[1:])
    assert list(survey(tmp_path / "items.ndjson", known={"known"}, sample=1)[1]) == ["gf1-pms"]
