"""Records of evidence, as they are kept while a run goes on."""

import sys
from collections.abc import Sequence
from dataclasses import fields

from numpy.testing import assert_equal
from support.report_factory import judged

from pytest_modelgate.adapters.verdict.model_part import model_part
from pytest_modelgate.core.evidence.curves import Growth, Prices, growth, prices
from pytest_modelgate.core.evidence.records import BarFigures, WindowEvidence


def _bytes_of(window: WindowEvidence) -> int:
    """What the numbers per bar take."""
    series: list[Sequence[float]] = [window.equity, window.times]
    series += [getattr(window.bars, field.name) for field in fields(BarFigures)]
    loose = sum(sys.getsizeof(number) for numbers in series if isinstance(numbers, tuple) for number in numbers)
    return loose + sum(sys.getsizeof(numbers) for numbers in series)


def test_packed_evidence_takes_a_third_at_most() -> None:
    for window in judged("AAPL", drift=0.001).measured:
        assert _bytes_of(window.packed()) < _bytes_of(window) / 3


def test_packed_evidence_says_the_same() -> None:
    judgement = judged("AAPL", drift=0.001)
    packed = judgement.packed()

    assert model_part(packed) == model_part(judgement)
    for ours, theirs in zip(packed.measured, judgement.measured, strict=True):
        for field in fields(Growth):
            assert_equal(getattr(growth([ours]), field.name), getattr(growth([theirs]), field.name))
        for field in fields(Prices):
            assert_equal(getattr(prices(ours), field.name), getattr(prices(theirs), field.name))
