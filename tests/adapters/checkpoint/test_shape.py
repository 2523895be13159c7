"""What a checkpoint's numbers mean: the table of generations, shapes that tell one, and declarations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.checkpoints import contents, load, saved

from pytest_modelgate.adapters.archive.schema import PolicyDeclaration
from pytest_modelgate.adapters.checkpoint.shape import Shape, read_shape
from pytest_modelgate.adapters.meanings import Meanings, declared_meanings, written_meanings
from pytest_modelgate.core.policy.account_features import AccountFeature, Encoding
from pytest_modelgate.core.policy.actions import (
    CLOSE,
    HALF_ORDERS,
    HOLD,
    QUARTER_ORDERS,
    QUARTER_ORDERS_AND_CLOSE,
    Order,
    Target,
)
from pytest_modelgate.core.policy.generations import TRAINERS_FEATURES
from pytest_modelgate.core.training.run import Declared
from pytest_modelgate.errors import CheckpointError

NO_KEYS: dict[str, Any] = dict.fromkeys(("model_version", "n_features", "n_actions", "obs_dim", "action_meanings"))


def shape(contents: dict[str, object], declared: str = "{}", model_version: str | None = None) -> Shape:
    part = Meanings.model_validate_json(declared)
    return read_shape(contents, Declared(**declared_meanings(part)), "checkpoint X.pt", model_version)


def sized(features: int, actions: int, **more: object) -> dict[str, object]:
    return {"n_features": features, "n_actions": actions, "obs_dim": features * 100, **more}


def refusal(contents: dict[str, object], declared: str = "{}", model_version: str | None = None) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        shape(contents, declared, model_version)
    return caught.value


@pytest.mark.parametrize(
    ("version", "features", "account", "actions"),
    [
        ("2.3.1", 53, 0, HALF_ORDERS),
        ("2.4.5", 56, 3, HALF_ORDERS),
        ("2.6.0", 56, 3, HALF_ORDERS),
        ("2.7.0", 59, 6, QUARTER_ORDERS),
        ("3.1", 59, 6, QUARTER_ORDERS),
        ("v5.5.2", 51, 0, QUARTER_ORDERS_AND_CLOSE),
        ("5.6.0", 58, 0, QUARTER_ORDERS_AND_CLOSE),
    ],
)
def test_a_version_says_what_outputs_and_account_features_mean(
    version: str, features: int, account: int, actions: object
) -> None:
    read = shape(sized(features, len(actions), model_version=version))  # type: ignore[arg-type]  # a tuple
    assert (read.actions, len(read.account), read.window, read.warnings) == (actions, account, 100, ())


@pytest.mark.parametrize(
    ("features", "actions", "version"),
    [(53, 3, "2.3.0"), (56, 3, "2.4.0"), (59, 7, "2.7.0"), (51, 8, "5.5.0"), (58, 8, "5.6.0")],
)
def test_without_a_version_the_shape_tells_and_a_warning_says_so(features: int, actions: int, version: str) -> None:
    read = shape(sized(features, actions))
    assert read.model_version == version
    assert "bears no model_version" in read.warnings[0]


@pytest.mark.parametrize("version", ["2.3.0", "2.4.0", "2.7.0"])
def test_without_any_key_the_tensors_tell(tmp_path: Path, version: str) -> None:
    known = load(saved(tmp_path, contents(version, window=100))).facts.shape
    read = load(saved(tmp_path, contents(version, window=100, **NO_KEYS))).facts.shape
    assert (read.model_version, read.window, read.n_features) == (version, 100, known.n_features)
    assert (read.actions, read.account) == (known.actions, known.account)
    assert len(read.warnings) == 1


def test_a_declared_lookback_helps_tensors_tell(tmp_path: Path) -> None:
    read = load(saved(tmp_path, contents("2.7.0", window=3, **NO_KEYS)), declared=Declared(lookback=3)).facts.shape
    assert (read.model_version, read.window) == ("2.7.0", 3)


def test_the_option_decides_for_a_checkpoint_that_bears_no_version() -> None:
    assert refusal(sized(60, 7)).where == "checkpoint X.pt, model_version"
    assert shape(sized(60, 7), model_version="2.7.0").actions == QUARTER_ORDERS


def test_the_option_does_not_overrule_a_checkpoint() -> None:
    error = refusal(sized(59, 7, model_version="2.7.0"), model_version="2.3.0")
    assert error.problem == "--gate-model-version says '2.3.0', the checkpoint says '2.7.0'"


def test_an_unknown_version_is_refused_with_the_lines_to_write_and_these_mend_it() -> None:
    error = refusal(sized(40, 3, model_version="6.1.0"))
    assert "is 6.1.0, known generations are" in error.problem
    assert "in X.json beside it" in error.remedy
    lines = _lines(error)
    with pytest.raises(ValidationError, match="OUTPUT_0"):  # nobody's outputs are guessed
        PolicyDeclaration.model_validate(lines)
    filled = json.dumps(lines).replace("OUTPUT_0", "HOLD").replace("OUTPUT_1", "BUY_50").replace("OUTPUT_2", "SELL_50")
    read = shape(sized(40, 3, model_version="6.1.0"), _facts(filled))
    assert (read.actions, read.account) == (HALF_ORDERS, ())


def test_a_lookback_is_asked_for_only_where_the_sizes_do_not_tell_it() -> None:
    assert "lookback" not in _lines(refusal(sized(40, 3, model_version="6.1.0")))
    assert _lines(refusal({"n_actions": 5}))["lookback"] == 100
    assert _lines(refusal({"n_actions": 5}))["actions"] == [f"OUTPUT_{number}" for number in range(5)]


def test_account_features_among_the_others_are_refused_with_the_lines_to_write_and_these_mend_it() -> None:
    error = refusal(sized(65, 8, model_version="4.2.0"))
    assert "of generation 4.0-5.3 stand among the other features" in error.problem
    lines = _lines(error)
    with pytest.raises(ValidationError, match="place"):  # nobody's columns are guessed
        PolicyDeclaration.model_validate(lines)
    for place, item in enumerate(lines["account"]):
        item["place"] = place
    read = shape(sized(65, 8, model_version="4.2.0"), _facts(json.dumps(lines)))
    assert [feature.place for feature in read.account] == [0, 1, 2, 3, 4, 5]
    assert read.account[0].encoding == Encoding("tanh", 10.0)
    assert read.account[4].neutral == 0.70


def _lines(error: CheckpointError) -> dict[str, Any]:
    """The JSON that a remedy shows."""
    lines: dict[str, Any]
    lines, _ = json.JSONDecoder().raw_decode(error.remedy[error.remedy.index("{") :])
    return lines


def _facts(text: str) -> str:
    """What a file declares, without its schema."""
    facts: dict[str, object] = json.loads(text)
    PolicyDeclaration.model_validate(facts)
    facts.pop("schema")
    return json.dumps(facts)


def test_the_available_capital_of_4_and_5_has_no_neutral_value_by_itself() -> None:
    error = refusal(sized(65, 8, model_version="5.3.0"), '{"account": [{"name": "available_capital", "place": 9}]}')
    assert "1.0 in 5.3" in error.problem


def test_the_features_of_a_generation_may_be_declared_in_another_way() -> None:
    made = sized(56, 3, model_version="2.4.0")
    said = '{"account": [{"name": "win_rate", "place": 54}, {"name": "pnl", "place": 53}, {"name": "drawdown", %s}]}'

    assert shape(made, said % '"place": -1') == shape(made)
    problem = refusal(made, said % '"place": -1, "neutral": 0.4').problem
    assert "drawdown in column -1 (linear of 1 times it, neutral 0.4), version" in problem
    assert "pnl in column -3 (tanh of 10 times it, neutral 0)" in problem


@pytest.mark.parametrize("sizes", [{"n_actions": 3, "obs_dim": 90}, {}])
def test_the_lines_that_a_refusal_prints_mend_it(sizes: dict[str, object]) -> None:
    """Once their words in capitals are filled in: what only the user knows is not guessed for him."""
    made: dict[str, object] = {"model_version": "6.0.0", "n_features": 9, **sizes}
    facts: dict[str, object] = {}
    for _ in range(2):
        lines = json.dumps(_lines(refusal(made, json.dumps(facts))))
        for number in range(6):
            lines = lines.replace(f"OUTPUT_{number}", "HOLD").replace('"COLUMN"', str(number), 1)
        facts |= json.loads(_facts(lines))
        said = shape(made, json.dumps(facts))
        del facts["account"]

    assert (said.actions[0], len(said.account)) == (HOLD, len(TRAINERS_FEATURES))


def test_without_a_generation_encodings_that_trainers_differ_in_are_asked_for() -> None:
    facts = '{"actions": ["HOLD", {"target": 1}, {"target": 0}], "account": [{"name": "pnl"%s}]}'
    assert "has no encoding" in refusal(sized(9, 3), facts % "").problem
    read = shape(sized(9, 3), facts % ', "encoding": "tanh", "factor": 2')
    assert read.actions == (HOLD, Target(1.0), CLOSE)
    assert read.account == (AccountFeature("pnl", 0.0, Encoding("tanh", 2.0), -1),)
    assert (read.model_version, read.warnings) == (None, ())


@pytest.mark.parametrize(
    ("made", "declared", "words"),
    [
        (sized(59, 8, model_version="2.7.0"), "{}", "is 8, generation 2.7-3.x has 7"),
        (sized(59, 7, model_version="2.7.0"), '{"actions": ["HOLD", "BUY_50"]}', "declared are HOLD, BUY_50, version"),
        (sized(59, 7, model_version="2.7.0"), '{"account": []}', "declared are none, version 2.7.0 has pnl in column"),
        (sized(59, 7, model_version="2.7.0"), '{"lookback": 50}', "is declared as 50, obs_dim 5900"),
        (sized(59, 7, model_version="2.7.0"), '{"model_version": "2.6.0"}', "the archive says '2.6.0'"),
        (sized(5, 2), '{"actions": ["HOLD", "CLOSE"], "account": [{"name": "drawdown", "place": 5}]}', "in column 5"),
        (
            sized(5, 1),
            '{"actions": ["HOLD"], "account": [{"name": "win_rate", "place": 4}, {"name": "drawdown", "place": -1}]}',
            "expected columns of their own",
        ),
        ({"n_actions": 2}, '{"actions": ["HOLD", "CLOSE"], "account": []}', "is missing, expected a positive whole"),
    ],
)
def test_what_contradicts_is_refused(made: dict[str, object], declared: str, words: str) -> None:
    assert words in refusal(made, declared).problem


@pytest.mark.parametrize(
    ("meanings", "declared", "fits"),
    [
        (["HOLD", "BUY", "SELL"], ["HOLD", {"target": 1}, {"target": 0}], True),
        (["HOLD", "LONG", "SHORT"], ["HOLD", {"target": 1}, {"target": -1}], True),
        (["HOLD", "LONG", "FLAT"], ["HOLD", {"target": 1}, "CLOSE"], True),
        (["SELL", "HOLD", "BUY"], [{"target": 0}, "HOLD", {"target": 1}], True),
        (["SELL", "HOLD", "BUY"], ["HOLD", {"target": 1}, {"target": 0}], False),
        (["HOLD", "BUY", "BUY"], ["HOLD", {"order": 0.25}, {"order": 0.5}], False),
        (["HOLD", "BUY 25%", "BUY_50"], ["HOLD", {"order": 0.25}, {"order": 0.5}], True),
        (["HOLD", "BUY_50", "BUY_25"], ["HOLD", {"order": 0.25}, {"order": 0.5}], False),
        (["HOLD", "BUY"], ["HOLD", {"order": 0.25}, {"order": 0.5}], False),
        (["HOLD", "TARGET_100", "TARGET_-50"], ["HOLD", {"target": 1}, {"target": -0.5}], True),
        (["HOLD", "TARGET_-50", "TARGET_100"], ["HOLD", {"target": 1}, {"target": -0.5}], False),
        (["HOLD", "BUY_33.3", "close"], ["HOLD", {"order": 0.333}, "CLOSE"], True),
        (["HOLD", "TARGET_100", "CLOSE"], ["HOLD", {"target": 1}, {"target": 0}], True),
        (["HOLD", "TARGET_-12.5", "CLOSE"], ["HOLD", {"target": -0.125}, {"target": 0}], True),
        (["HOLD", "TARGET_-50", "TARGET_50"], ["HOLD", {"target": 0.5}, {"target": -0.5}], False),
    ],
)
def test_labels_are_held_against_what_is_declared(meanings: object, declared: object, *, fits: bool) -> None:
    facts = json.dumps({"actions": declared, "account": []})
    made = sized(9, 3, action_meanings=meanings)
    if fits:
        assert shape(made, facts).n_features == 9
    else:
        assert refusal(made, facts).where == "checkpoint X.pt, action_meanings"


def test_what_is_written_of_a_policy_is_read_again() -> None:
    read = shape(sized(59, 7, model_version="2.7.0"))
    written = written_meanings("2.7.0", 100, read.actions, read.account)
    again = shape(sized(59, 7, model_version="2.7.0"), json.dumps(written))
    assert again == read
    odd = written_meanings(None, 5, (HOLD, Order(0.125), Target(-0.3)), ())
    assert Meanings.model_validate(odd).actions == [HOLD, Order(0.125), Target(-0.3)]
