"""Elementary functions of IEEE operations alone, held against exact arithmetic."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelgate.core.policy.scalars import log10, tanh

_LAST = 2.0**-52


@given(st.one_of(st.floats(-30.0, 30.0), st.floats(-1e-3, 1e-3), st.floats(allow_nan=False)))
def test_tanh_is_good_to_a_few_units_in_the_last_place(value: float) -> None:
    assert tanh(value) == pytest.approx(math.tanh(value), rel=4 * _LAST, abs=0.0)


@given(st.one_of(st.floats(0.5, 2.0), st.floats(1.0 - 1e-6, 1.0 + 1e-6), st.floats(1e-300, 1e300)))
def test_log10_is_good_to_a_few_units_in_the_last_place(value: float) -> None:
    with localcontext() as context:
        context.prec = 40
        exact = Decimal(value).log10()
    assert abs(Decimal(log10(value)) - exact) <= abs(exact) * Decimal(4 * _LAST)


def test_the_bits_are_these_on_every_machine() -> None:
    assert [tanh(0.3).hex(), tanh(-5.0).hex(), log10(1.05).hex(), log10(0.7).hex()] == [
        "0x1.2a4dda7d914fap-2",
        "-0x1.fff419668df11p-1",
        "0x1.5b2a5ca1f47cdp-6",
        "-0x1.3d3d3d21ccf03p-3",
    ]
