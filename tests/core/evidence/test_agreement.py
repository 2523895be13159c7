"""Records agree in everything but the last bits of their figures."""

import math
from dataclasses import replace
from typing import Any

import pytest

from pytest_modelgate.core.evidence.agreement import agree
from pytest_modelgate.core.evidence.records import ChampionEvidence, IntegrityEvidence
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.statistics.paired_comparison import Comparison

COMPARED = Comparison("worse", "c" * 64, -0.001, math.nan, math.inf, 0.1, 1e-15)
CHECKED = Check("causality", "pass", "It sees no future.", {"bars": 4320.0})


def champion(**changes: Any) -> ChampionEvidence:
    return ChampionEvidence("M", "champion", replace(COMPARED, **changes))


def integrity(*checks: Check) -> IntegrityEvidence:
    return IntegrityEvidence("M", "integrity", checks, ())


@pytest.mark.parametrize(
    "changes",
    [{}, {"difference": -0.001 * (1 + 1e-12)}, {"challenger_return": 0.0}],
    ids=["the same", "last bits", "nothing but rounding"],
)
def test_what_processors_may_differ_in_agrees(changes: dict[str, Any]) -> None:
    assert agree(champion(), champion(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "better"},
        {"champion": "d" * 64},
        {"difference": -0.001001},
        {"low": 0.0},
        {"high": -math.inf},
        {"champion_return": math.nan},
    ],
    ids=str,
)
def test_any_other_difference_is_one(changes: dict[str, Any]) -> None:
    assert not agree(champion(), champion(**changes))


@pytest.mark.parametrize(
    "other",
    [
        integrity(),
        integrity(CHECKED, CHECKED),
        integrity(replace(CHECKED, sentence="It sees it.")),
        integrity(replace(CHECKED, figures={"bars": 4321.0})),
        integrity(replace(CHECKED, figures={"folds": 4320.0})),
        champion(),
    ],
    ids=["fewer", "more", "a text", "a figure", "another figure", "another kind"],
)
def test_nested_differences_count(other: Any) -> None:
    assert agree(integrity(CHECKED), integrity(CHECKED))
    assert not agree(integrity(CHECKED), other)
