"""P07: one good delivery broken in every way we know; each is refused by the right class, naming what is wrong."""

import pytest

from tests.support.corpus import CORPUS
from tests.support.deliveries import opened


def test_the_corpus_is_large():
    assert len(CORPUS) >= 180


@pytest.mark.parametrize("case", CORPUS.values(), ids=CORPUS)
def test_P07_a_broken_delivery_is_refused_for_the_right_reason(case, tmp_path):
    place = tmp_path / "delivered"
    place.mkdir()
    delivery = case.make(place)
    before = sorted(place.rglob("*"))
    with pytest.raises(case.error, match=case.said) as refusal:
        opened(delivery, tmp_path)
    assert type(refusal.value) is case.error
    reason = str(refusal.value)
    assert reason.startswith((delivery.name, "GF1_PMS1_")), "it does not begin with the delivery or the file"
    assert reason.isprintable()
    assert len(reason) < 1000
    assert sorted(place.rglob("*")) == before
    assert {path.name for path in tmp_path.iterdir()} == {"delivered", "workspace"}
