"""T11, L30: whatever the bytes of a side-file are, its reader gives a result or says what is wrong, and soon."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cog_builder.deliveries.rpb import read_rpb
from cog_builder.deliveries.rpc_text import read_rpc_text
from cog_builder.deliveries.xml_document import read_xml
from cog_builder.errors import BadMetadataError
from tests.support.deliveries import the_file
from tests.support.simulated import tiny_delivery

READERS = {".xml": read_xml, ".rpb": read_rpb, "_rpc.txt": read_rpc_text}
every_reader = pytest.mark.parametrize("ending", READERS)

_NUMBERS = "LINE_OFF SAMP_OFF LAT_OFF LONG_OFF HEIGHT_OFF LINE_SCALE SAMP_SCALE LAT_SCALE LONG_SCALE HEIGHT_SCALE"
_LISTS = "LINE_NUM_COEFF LINE_DEN_COEFF SAMP_NUM_COEFF SAMP_DEN_COEFF"
RPC_TEXT = "".join(
    f"{key}: +00012.50 pixels\n"
    for key in [*_NUMBERS.split(), *(f"{key}_{index}" for key in _LISTS.split() for index in range(1, 21))]
).encode()

TOKENS = [b"", b"nan", b"-inf", b"1e999", b"=", b";", b"(", b",", b": ", b"END;", b"\0", b"\xff", b"<", b"</a>", b"&a;"]
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from(TOKENS) | st.binary(max_size=20)),
    min_size=1,
    max_size=4,
)
"""(where, how many bytes go, what comes instead)."""


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    """A good file of each kind, by its ending."""
    folder = tiny_delivery("gf1-wfv", tmp_path_factory.mktemp("delivery"), packing="folder")
    return {".xml": the_file(folder, ".xml").read_bytes(), ".rpb": the_file(folder, ".rpb").read_bytes()} | {
        "_rpc.txt": RPC_TEXT
    }


def result_or_refusal(path, raw, ending):
    """Whether the reader gave a result; anything but that and our own error is let out."""
    path.write_bytes(raw)
    try:
        READERS[ending](path)
    except BadMetadataError as error:
        reason = str(error)
    else:
        return True
    assert reason.startswith(f"{path.name}: ")
    assert len(reason) < 600
    return False


@every_reader
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=300))
def test_any_bytes_give_a_result_or_a_refusal(ending, raw, tmp_path):
    result_or_refusal(tmp_path / f"GF1_x{ending}", raw, ending)


@every_reader
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_any_edit_of_a_good_file_gives_a_result_or_a_refusal(ending, edits, good_files, tmp_path):
    raw = good_files[ending]
    for where, count, new in edits:
        at = int(where * len(raw))
        raw = raw[:at] + new + raw[at + count :]
    result_or_refusal(tmp_path / f"GF1_x{ending}", raw, ending)


@every_reader
def test_the_good_files_themselves_are_read(ending, good_files, tmp_path):
    assert result_or_refusal(tmp_path / f"GF1_x{ending}", good_files[ending], ending)


@pytest.mark.parametrize(
    ("ending", "raw"),
    [
        ("_rpc.txt", b"LINE_OFF: 1" + b" " * 60_000 + b"!"),
        ("_rpc.txt", b"LINE_OFF: " + b"E" * 60_000 + b"!"),
        (".rpb", b"BEGIN_GROUP" + b" " * 60_000),
        (".xml", b"<?xml " + b" " * (15 << 20)),
        (".xml", b"<" + b"a" * (15 << 20)),
    ],
    ids=["spaces", "exponents", "group", "declaration", "name"],
)
def test_no_file_within_the_limits_takes_long(ending, raw, tmp_path):
    began = time.monotonic()
    assert not result_or_refusal(tmp_path / f"GF1_x{ending}", raw, ending)
    assert time.monotonic() - began < 20
