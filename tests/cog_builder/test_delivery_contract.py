"""Every product of every dialect against the shared contract."""

import pytest

from tests.cog_builder.delivery_contract import CHECKS, ROWS, case_of


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("product", ROWS)
def test_a_product_keeps_the_contract(product, check):
    CHECKS[check](case_of(product))
