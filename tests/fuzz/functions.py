"""Judge random policies until the time is up, and run each in torch as a trader does: a policy that acts otherwise
there, and that the gate neither refuses nor fails for float32, is a fault.

    python tests/fuzz/functions.py --minutes 30 --seed 1
    python tests/fuzz/functions.py --seed 1 --only 4711     # one policy again

Names come in any order and several styles, numbers in any type and layout, with and without biases, normalisations
between layers and statistics of observations; every second policy is made hard for float32.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from support import torch_functions as functions
from support.function_fuzzing import judge

from pytest_modelgate.core.policy.activations import ACTIVATIONS

_WIDTHS = (3, 8, 8, 8, 16, 53, 64)


def draw(seed: int, number: int) -> functions.Network:
    """A policy is a function of seed and number."""
    rng = random.Random(f"{seed}/{number}")
    return functions.network(
        [rng.choice(_WIDTHS) for _ in range(rng.randint(1, 5))],
        style=rng.choice(functions.STYLES),
        activation=rng.choice(ACTIVATIONS),
        window=rng.choice((1, 1, 2, 5, 20)),
        seed=rng.getrandbits(32),
        dtype=rng.choice(functions.DTYPES),
        ill=rng.choice(functions.ILLS) if rng.random() < 0.5 else "none",
        shuffle=rng.random() < 0.5,
        norms=rng.choice(("none", *functions.NORMS)),
        biases=rng.random() < 0.8,
        turned=rng.random() < 0.3,
        statistics=rng.random() < 0.3,
    )


def main() -> int:
    """Fuzz, or judge one policy; the exit status tells whether anything was at fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="judge this one policy")
    options = parser.parse_args()
    torch.set_num_threads(1)
    outcomes: dict[str, Counter[str]] = {ill: Counter() for ill in functions.ILLS}
    faults, number, end = 0, options.only or 0, time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            made = draw(options.seed, number)
            outcome, fault = judge(made, Path(folder))
            outcomes[made.ill][outcome] += 1
            if fault:
                faults += 1
                print(f"FAULT in policy {number} ({made.ill}, {made.activation}, {made.listed}): {fault}", flush=True)
            if options.only is not None:
                break
            number += 1
    for ill, counted in outcomes.items():
        print(f"{ill:15} " + ", ".join(f"{counted[outcome]} {outcome}" for outcome in ("alike", "told", "refused")))
    print(f"{sum(map(Counter.total, outcomes.values()))} policies of seed {options.seed}, {faults} at fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
