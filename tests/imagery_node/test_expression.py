import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagery_node.errors import BadRenderingError
from imagery_node.expression import parse_expression, used_bands

BANDS = {
    "b1": np.array([1.0, 2.0, 3.0, 40.0], np.float32),
    "b2": np.array([4.0, 0.0, -6.0, 0.5], np.float32),
    "nir": np.array([0.3, 9.0, 1.0, 1.0], np.float32),
}


@pytest.mark.parametrize(
    "text",
    [
        "(nir-b1)/(nir+b1)",
        "b1 - b2 - nir",
        "b1 / b2 / nir",
        "b1 - b2 * nir + 2.5e1",
        "-b1**2",
        "b1**-2",
        "b2*-b1",
        "--b1",
        "1.5*b1",
        ".5 + b1",
        "abs(b2) + sqrt(b1)",
        "b1 * (b2 + (nir - 1)) / 3",
    ],
)
def test_arithmetic_equals_pythons(text):
    functions = {"abs": np.abs, "sqrt": np.sqrt}
    with np.errstate(all="ignore"):
        expected = eval(text, {"__builtins__": {}}, {**BANDS, **functions})  # the text is ours
    (found,) = parse_expression(text).evaluate(BANDS)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b1 > 2", [0, 0, 1, 1]),
        ("b1 >= 2", [0, 1, 1, 1]),
        ("b1 <= nir", [0, 1, 0, 0]),
        ("(b1 == 3) + (b2 != 0)", [1, 0, 2, 1]),
        ("-(b1 < 2)", [-1, 0, 0, 0]),
        ("where(b2 > 0, b1, 7)", [1, 7, 7, 40]),
        ("where(b2, 1, 0)", [1, 0, 1, 1]),
        ("min(b1, b2)", [1, 0, -6, 0.5]),
        ("max(b1, 2)", [2, 2, 3, 40]),
        ("min(b1, b2, 2)", [1, 0, -6, 0.5]),
        ("max(b1, b2, nir, 5)", [5, 9, 5, 40]),
        ("clip(b2, 0, 1)", [1, 0, 0, 0.5]),
        ("clip(b1, b2, 3)", [3, 2, 3, 3]),
        ("floor(b2)", [4, 0, -6, 0]),
        ("ceil(nir)", [1, 9, 1, 1]),
        ("round(b1/4)", [0, 0, 1, 10]),
        ("log10(b1*0+100)", [2, 2, 2, 2]),
        ("log(exp(b1*0+1))", [1, 1, 1, 1]),
    ],
)
def test_comparisons_and_functions(text, expected):
    np.testing.assert_allclose(parse_expression(text).evaluate(BANDS)[0], expected, rtol=1e-6)


def test_blocks_are_separate_results():
    expression = parse_expression("b1;b2*2; nir")
    assert [block.tolist() for block in expression.evaluate(BANDS)][1] == [8, 0, -12, 1]
    assert expression.names == ("b1", "b2", "nir")


def test_bands_are_found_by_name_and_by_number():
    assert used_bands(parse_expression("(nir-b3)/(nir+red)"), ("blue", "green", "red", "nir")) == [3, 2, 2]
    with pytest.raises(BadRenderingError, match="no band 'b5'"):
        used_bands(parse_expression("b5+b1"), ("blue", "green", "red", "nir"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("b1+9**9**9", "exponent"),
        ("9**b1", "exponent"),
        ("2**2+b1", "constant"),
        ("2*3*b1", "constant"),
        ("b1+(1+1)", "constant"),
        ("sqrt(4)*b1", "constant"),
        ("5", "uses no band"),
        ("b1;5", "uses no band"),
        ("", "its end"),
        ("b1;", "its end"),
        ("b1+", "its end"),
        ("b1 b2", "unexpected"),
        ("(b1", "missing"),
        ("b1)", "unexpected"),
        ("b1 < b2 < nir", "unexpected"),
        ("open(b1)", "no function"),
        ("b1.__class__", "cannot read"),
        ("b1[0]", "cannot read"),
        ("'b1'", "cannot read"),
        ("b1 if b1 else b2", "unexpected"),
        ("b1//b2", "unexpected"),
        ("b1**b2", "exponent"),
        ("sqrt(b1, b2)", "arguments"),
        ("min(b1)", "expected 2–8"),
        ("max(b1,b1,b1,b1,b1,b1,b1,b1,b1)", "expected 2–8"),
        ("clip(b1, 0)", "expected 3"),
        ("where(b1, b2)", "arguments"),
        ("b１", "cannot read"),
    ],
)
def test_T05_anything_else_is_refused(text, problem):
    with pytest.raises(BadRenderingError, match=problem):
        parse_expression(text)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("b1" + " " * 510, "b1" + " " * 511),
        ("b1;b1;b1;b1", "b1;b1;b1;b1;b1"),
        ("+".join(["b1"] * 50), "+".join(["b1"] * 51)),
        (";".join(["+".join(["b1"] * 25)] * 2), ";".join(["+".join(["b1"] * 26)] * 2)),
        ("(" * 19 + "b1" + ")" * 19, "(" * 20 + "b1" + ")" * 20),
        ("b1+1e12", "b1+1.1e12"),
        ("b1**4", "b1**4.1"),
        ("b1**-4", "b1**-5"),
        ("b1*1e10", "b1*1e99"),
    ],
    ids=[
        "length",
        "blocks",
        "parts",
        "parts of all blocks",
        "depth",
        "number",
        "exponent",
        "negative exponent",
        "size",
    ],
)
def test_L14_each_limit_from_both_sides(good, bad):
    parse_expression(good)
    with pytest.raises(BadRenderingError):
        parse_expression(bad)


@given(st.text(alphabet="b12nir+-*/().,;<>=! e9_wherminaxsqt", max_size=600))
def test_any_text_is_parsed_or_refused(text):
    with contextlib.suppress(BadRenderingError):
        parse_expression(text).evaluate({name: np.ones(2, np.float32) for name in parse_expression(text).names})
