"""Train a policy per symbol, and write the archive that the gate judges.

    python train.py --archive-to archive/ [--symbols BTCUSD ETHUSD]

`fit` is a toy that learns to follow trends, in numpy: put your own training there. The rest hands a network to the
gate, whatever it was trained with. The last 180 days are held out: the gate judges on bars that no training saw.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from features import COLUMNS, MINE
from numpy.typing import NDArray

from pytest_modelgate import (
    CLOSE,
    HOLD,
    Bars,
    Instrument,
    MarketRequest,
    ModelArtifact,
    Recorder,
    Target,
    Timeframe,
    TrainingWindow,
    market_window,
    pack_checkpoint,
    validation_metrics,
    walk_forward_windows,
    write_archive,
)

Floats = NDArray[np.float64]
Network = dict[str, NDArray[Any]]  # weights by name, as of a module's state dict

TIMEFRAME = Timeframe("1Hour")
DAYS, HELD_OUT_DAYS = 720, 180
HORIZON = 24  # bars that the toy looks ahead while it trains, and the embargo before what is held out
VALIDATION_SHARE = 0.3  # of the bars before, their last part
COST = 0.0035  # fee and slippage of one side
EXPOSURE = 0.3  # of equity; the profile allows no more
ACTIONS = [HOLD, Target(EXPOSURE), CLOSE]


def fit(inputs: Floats, ahead: Floats, seed: int = 1) -> Iterator[Network]:
    """Classify bars by what the price does next: pays for a trade, costs as much, or neither.

    Yields:
        The network as it learns, for validation.
    """
    rng = np.random.default_rng(seed)
    wanted = np.eye(3)[np.select([ahead > 2 * COST, ahead < -2 * COST], [1, 2], 0)]
    sizes = (inputs.shape[1], 16, len(ACTIONS))
    weights = [rng.normal(0, before**-0.5, (before, after)) for before, after in pairwise(sizes)]
    biases = [np.zeros(size) for size in sizes[1:]]
    for _ in range(10):
        for _ in range(100):
            hidden = np.tanh(inputs @ weights[0] + biases[0])
            error = (_softmax(hidden @ weights[1] + biases[1]) - wanted) / len(inputs)
            inner = (error @ weights[1].T) * (1 - hidden**2)
            for layer, (seen, slope) in enumerate(((inputs, inner), (hidden, error))):
                weights[layer] -= 0.5 * seen.T @ slope
                biases[layer] -= 0.5 * slope.sum(axis=0)
        yield {
            "0.weight": weights[0].T.astype(np.float32),
            "0.bias": biases[0].astype(np.float32),
            "2.weight": weights[1].T.astype(np.float32),
            "2.bias": biases[1].astype(np.float32),
        }


def _softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def logits_of(network: Network) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """The policy as it will trade: observations (n, features) to logits (n, actions). A torch module is that itself."""
    first, second = (network["0.weight"], network["0.bias"]), (network["2.weight"], network["2.bias"])
    return lambda seen: np.tanh(seen @ first[0].T + first[1]) @ second[0].T + second[1]


def replay(actions: Sequence[int], opens: Floats, closes: Floats) -> tuple[Floats, list[float]]:
    """Trade a validation run, as the gate does: what is decided at a close is filled at the next open.

    Returns:
        Equity at the start and at every bar, and what each trade earned after costs.
    """
    cash, units, equity, trades, entered = 1.0, 0.0, [1.0], [], 0.0
    for action, price, close in zip(actions[:-1], opens[1:], closes[1:], strict=True):
        if action == 1 and not units:
            entered = cash
            units = EXPOSURE * cash / price
            cash -= units * price * (1 + COST)
        elif action == 2 and units:
            cash, units = cash + units * price * (1 - COST), 0.0
            trades.append(cash - entered)
        equity.append(cash + units * close)
    return np.array(equity), trades


def train(symbol: str, as_of: datetime) -> ModelArtifact:
    """One model: bars, training, validations, and all that the gate has to know."""
    bars = fetch(symbol, as_of)
    held_out = walk_forward_windows(pd.Timestamp(as_of), TIMEFRAME, HELD_OUT_DAYS, 5)[0].start
    last = int(bars.index.searchsorted(held_out)) - HORIZON
    frame = bars.frame.iloc[:last]
    inputs = MINE.compute(frame).to_numpy()
    first, border = MINE.warmup, MINE.warmup + int((last - MINE.warmup) * (1 - VALIDATION_SHARE))
    closes, opens = frame["close"].to_numpy(float), frame["open"].to_numpy(float)
    ahead = closes[first + HORIZON : border] / closes[first : border - HORIZON] - 1
    history: dict[str, list[float]] = {}
    network: Network = {}
    for network in fit(inputs[first : border - HORIZON], ahead):
        chosen = logits_of(network)(inputs[border:]).argmax(axis=1)
        for metric, value in validation_metrics(*replay(chosen.tolist(), opens[border:], closes[border:])).items():
            history.setdefault(metric, []).append(value)
    print(f"{symbol}: " + ", ".join(f"{metric} {values[-1]:.2f}" for metric, values in history.items()))
    return pack(
        symbol,
        network,
        history,
        TrainingWindow(bars.index[first], bars.index[border - 1]),
        TrainingWindow(bars.index[border], bars.index[last - 1]),
    )


def fetch(symbol: str, as_of: datetime) -> Bars:
    """Bars to train on, from Alpaca, kept in training-data/; crypto needs no keys. Put your own loader here."""
    instrument, moment = Instrument.parse(symbol), pd.Timestamp(as_of)
    window = market_window(moment, TIMEFRAME, instrument.asset_class, DAYS)
    request = MarketRequest(instrument, TIMEFRAME, *window, feed="sip", adjustment="all")
    return Recorder(Path("training-data")).record(request)[1]


def pack(
    symbol: str,
    network: Network,
    history: dict[str, list[float]],
    trained_on: TrainingWindow,
    validated_on: TrainingWindow,
) -> ModelArtifact:
    """Hand a network to the gate: these are the lines that every trainer needs.

    A model of Stable-Baselines3 needs no packing: ``checkpoint=`` is the zip that its ``save`` writes, ``normaliser=``
    the file of its VecNormalize, ``declared=`` what its actions mean: see "Stable-Baselines3" in the documentation.
    """
    checkpoint = pack_checkpoint(
        network,  # a torch module goes in as it is
        Path("checkpoints") / f"{symbol}_{TIMEFRAME}.pt",
        n_features=len(COLUMNS),
        window=1,  # bars in an observation
        activation="tanh",
        feature_set=MINE.name,
        declared={"actions": ACTIONS, "account": [], "account_mode": "neutral"},
    )
    return ModelArtifact(
        symbol=symbol,
        timeframe=TIMEFRAME.value,
        checkpoint=checkpoint,
        history=history,
        training_window=trained_on,
        declared={"selection_window": validated_on},
        policy=logits_of(network),  # proves that the gate computes what you computed
    )


def main() -> None:
    """Train every symbol, and write one archive."""
    parser = argparse.ArgumentParser(
        description="Train a policy per symbol, and write the archive that the gate judges."
    )
    parser.add_argument("--archive-to", type=Path, default=Path("archive"), metavar="DIR")
    parser.add_argument("--symbols", nargs="+", default=["BTCUSD"])
    parser.add_argument(
        "--as-of", type=datetime.fromisoformat, help="train as if it were then, UTC (default: just now)"
    )
    options = parser.parse_args()
    settled = datetime.now(UTC) - timedelta(minutes=20)  # Alpaca's last bars are final by then
    as_of = (options.as_of or settled).replace(microsecond=0)
    as_of = as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)
    models = [train(symbol, as_of) for symbol in options.symbols]
    options.archive_to.mkdir(parents=True, exist_ok=True)
    print(write_archive(options.archive_to, models, trained_at=as_of, validation_interval=100))


if __name__ == "__main__":
    main()
