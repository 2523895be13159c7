"""Record small models of Stable-Baselines3 and what they do, so that the comparison runs where it is not installed.

pip install stable-baselines3; python tests/adapters/formats/recorded/record.py
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))


def main() -> None:
    """Write every case's files beside this one."""
    import numpy as np
    from support.sb3_cases import CASES, observations
    from support.sb3_real import act, make

    for case in CASES:
        model, env = make(case, seed=7)
        model.save(HERE / f"{case.name}.zip")
        if env is not None:
            env.save(str(HERE / f"{case.name}.vecnormalize.pkl"))
        answers = act(case, model, env, observations(case))
        np.savez_compressed(HERE / f"{case.name}.npz", answers=answers)


if __name__ == "__main__":
    main()
