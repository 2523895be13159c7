"""What every format but the trainer's shares: files that hold layers and say nothing of what their numbers mean.

Whatever they do not say is declared, in the training summary or in ``SYMBOL_TIMEFRAME.json``; nothing is guessed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from pytest_modelgate.adapters.checkpoint.accounts import account_features
from pytest_modelgate.adapters.checkpoint.declared import read_function
from pytest_modelgate.adapters.checkpoint.network import Layers
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile
from pytest_modelgate.core.policy.account_features import AccountFeature
from pytest_modelgate.core.policy.actions import Action
from pytest_modelgate.core.policy.generations import GENERATIONS, WINDOW, Generation, generation_of
from pytest_modelgate.core.policy.layout import Layout
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.policy.normaliser import Normaliser
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_IN: dict[str, float] = {"target": 1.0}
_OUT: dict[str, float] = {"target": 0.0}
_LIKELY: dict[int, dict[str, list[object]]] = {  # public policies of so many outputs mean the one about as often
    2: {"out, in": [_OUT, _IN], "hold, buy": ["HOLD", _IN]},
    3: {"hold, buy, sell": ["HOLD", _IN, _OUT], "sell, hold, buy": [_OUT, "HOLD", _IN]},
}
_DECLARE = "Correct the declaration, see docs/your-policy.md"


@dataclass(frozen=True)
class Meaning:
    """What a policy's numbers mean.

    Attributes:
        lookback: bars per observation.
        n_market: market features per bar.
        actions: meaning of each output.
        account: account features, with their places in a row of the gate's form.
        layout: how the trainer flattens an observation; None where that is the gate's form.
        model_version: the trainer's generation, where it was declared.
    """

    lookback: int
    n_market: int
    actions: tuple[Action, ...]
    account: tuple[AccountFeature, ...]
    layout: Layout | None
    model_version: str | None

    @property
    def n_features(self) -> int:
        """Columns of a row."""
        return self.n_market + len(self.account)


def read_meaning(file: PolicyFile, inputs: int, outputs: int) -> Meaning:
    """What the numbers of a policy of so many inputs and outputs mean, as it is declared.

    Raises:
        CheckpointError: the meaning of its outputs is not declared, or what is declared does not fit them.
    """
    declared = file.declared
    version, generation = _generation(file)
    actions = _actions(file, version, generation, outputs)
    lookback = declared.lookback or (WINDOW if generation else 0)
    if not lookback:
        where = f"{file.location}, lookback"
        problem = f"is not declared, and {inputs} inputs may be one bar of {inputs} features or more bars of fewer"
        raise CheckpointError(where, problem, f"Declare the bars of an observation, in {lines_for(file, lookback=1)}")
    if declared.observation is not None:
        if generation is not None:
            problem = f"is declared beside model_version {version}, whose rows hold the account features themselves"
            raise CheckpointError(f"{file.location}, observation", problem, "Take one of the two declarations out")
        return _flattened(file, inputs, lookback, actions)
    n_features, rest = divmod(inputs, lookback)
    if rest:
        problem = f"is declared as {lookback}, but {inputs} inputs are no multiple of that"
        raise CheckpointError(f"{file.location}, lookback", problem, _DECLARE)
    if generation and generation.n_features != n_features:
        problem = f"is declared as {version}, whose rows have {generation.n_features} features, and these {n_features}"
        raise CheckpointError(f"{file.location}, model_version", problem, _DECLARE)
    account = account_features(generation, declared, version, n_features, file.location) if _told(file) else ()
    return Meaning(lookback, n_features - len(account), actions, account, None, version)


def loaded_layers(
    file: PolicyFile,
    layers: Layers,
    activation: object,
    meaning: Meaning,
    *,
    normaliser: tuple[str, Normaliser] | None = None,
    notes: Sequence[str] = (),
    probabilities: bool = True,
) -> LoadedPolicy:
    """The policy that layers are; those of the first are for observations as the trainer flattens them.

    Args:
        activation: what the file says of it; None leaves it to options and declaration.
        normaliser: with the name of what says so.
        probabilities: as of ``LoadedPolicy``.

    Raises:
        CheckpointError: nobody says activation or feature set, two disagree, or the gate cannot compute it.
    """
    said = {} if activation is None else {"activation": activation}
    if len(layers.weights) == 1 and file.activation is None and file.declared.activation is None:
        said = {"activation": "tanh"}  # of which a single layer has none
    chosen, feature_set = read_function(
        said, file.declared, file.location, activation=file.activation, feature_set=file.feature_set
    )
    weights = list(layers.weights)
    if meaning.layout is not None:
        weights[0] = meaning.layout.weights(weights[0])
    policy = MlpPolicy(
        weights,
        layers.biases,
        chosen,
        meaning.n_market,
        meaning.account,
        meaning.lookback,
        meaning.actions,
        layers.norms,
        normaliser[1] if normaliser else None,
        meaning.layout,
    )
    names = (*((normaliser[0],) if normaliser else ()), *layers.names)
    return LoadedPolicy(
        policy,
        feature_set,
        chosen,
        meaning.model_version,
        layers=tuple(plain(name, 80) for name in names),
        hidden=tuple(len(weight) for weight in weights[:-1]),
        notes=tuple(notes),
        probabilities=probabilities,
    )


def lines_for(file: PolicyFile, **facts: object) -> str:
    """What to write, and where."""
    stem = file.name[: file.name.rfind(".")] if "." in file.name else file.name
    text = json.dumps({"schema": "modelgate.policy/1", **facts})
    return f"{plain(stem)}.json beside it: {text}"


def _told(file: PolicyFile) -> bool:
    """Whether account features are declared, by themselves or by a generation; a file without says there are none."""
    return file.declared.account is not None or _generation(file)[1] is not None


def _generation(file: PolicyFile) -> tuple[str | None, Generation | None]:
    version = file.model_version or file.declared.model_version
    if version is None:
        return None, None
    generation = generation_of(*map(int, version.removeprefix("v").split(".")[:2]))
    if generation is None and file.declared.actions is None:
        known = ", ".join(item.name for item in GENERATIONS)
        raise CheckpointError(
            f"{file.location}, model_version", f"is {version}, known generations are {known}", _DECLARE
        )
    return version, generation


def _actions(file: PolicyFile, version: str | None, generation: Generation | None, outputs: int) -> tuple[Action, ...]:
    declared, known = file.declared.actions, generation.actions if generation else None
    if declared is not None and known is not None and declared != known:
        problem = f"are declared, and version {version} has others"
        raise CheckpointError(f"{file.location}, actions", problem, "Take one of the two declarations out")
    actions = declared or known
    if actions is None:
        _refuse_undeclared(file, outputs)
    if len(actions) != outputs:
        problem = f"are {len(actions)} as declared, its last layer has {outputs} outputs"
        raise CheckpointError(f"{file.location}, actions", problem, "Declare one for each output, in their order")
    return actions


def _refuse_undeclared(file: PolicyFile, outputs: int) -> NoReturn:
    """Refuse outputs of no declared meaning, with the mappings that are likely: half of those who train use each."""
    where = f"{file.location}, actions"
    problem = f"has {outputs} outputs whose meaning nobody declares, and it is never guessed"
    likely = _LIKELY.get(outputs)
    if likely is None:
        outs = [f"OUTPUT_{number}" for number in range(min(outputs, 10))]
        remedy = (
            f"Say what each does, in their order, in {lines_for(file, actions=outs)}, where each OUTPUT is one of "
            '"HOLD", "CLOSE", {"order": 0.5} (half of a full order; negative ones sell) or {"target": 1.0} (all of the '
            "equity)"
        )
        raise CheckpointError(where, problem, remedy)
    first, second = (f"{json.dumps(actions)} ({words})" for words, actions in likely.items())
    remedy = (
        f"Look it up in the training environment, and write it in {lines_for(file, actions=['...'])}; likely are "
        f'"actions": {first} or {second}, where buy and sell mean all in and all out; docs/your-policy.md has others'
    )
    raise CheckpointError(where, problem, remedy)


def _flattened(file: PolicyFile, inputs: int, lookback: int, actions: tuple[Action, ...]) -> Meaning:
    """Of an observation whose account features stand once, before, between or after the rows of the market."""
    declared = file.declared
    parts, features = declared.observation or (), declared.account or ()
    n_market, rest = divmod(inputs - len(features), lookback)
    if rest or n_market < 1:
        problem = (
            f"is declared as {', '.join(parts)}, but {inputs} inputs less {len(features)} account features are no "
            f"{lookback} bars of equally many market features"
        )
        raise CheckpointError(f"{file.location}, observation", problem, _DECLARE)
    account = account_features(None, declared, None, n_market + len(features), file.location) if features else ()
    layout = Layout(parts, tuple(item.name for item in account), lookback, n_market)
    return Meaning(lookback, n_market, actions, account, layout, None)
