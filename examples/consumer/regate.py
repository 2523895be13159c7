"""Judge every deployed model anew as of today, from the archive it was promoted from; status 1 if one no longer passes.

DEPLOYED is the folder given to ``modelgate promote --to``, ARCHIVES holds the archives that were promoted.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path


def main() -> int:
    """Judge, print one line per model, and say with the status whether one has fallen."""
    deployed, archives = Path(os.environ["DEPLOYED"]), Path(os.environ["ARCHIVES"])
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    models = defaultdict(list)
    for model in json.loads((deployed / "promotion.json").read_text())["models"]:
        models[model["source"]["archive"]].append(model)
    fallen = []
    for archive, promoted in sorted(models.items()):
        output = Path("regate") / Path(archive).stem
        options = [f"--model-archive={archives / archive}", f"--gate-output={output}", f"--gate-as-of={today}"]
        gate = [sys.executable, "-m", "pytest", "model_tests", *options, "--gate-record-mode=new_episodes"]
        status = subprocess.run(gate, check=False)  # noqa: S603
        if status.returncode not in (0, 1):
            return status.returncode
        judged = {model["id"]: model for model in json.loads((output / "verdict.json").read_text())["models"]}
        for model in promoted:
            now = judged.get(model["id"], {})
            same = (now.get("checkpoint") or {}).get("sha256") == model["sha256"]
            decision = now.get("decision", "missing") if same else "another checkpoint"
            print(f"{model['id']}: promoted as {model['decision']} on {model['at'][:10]}, today {decision}")
            if decision not in ("LIVE", model["decision"]):
                fallen.append(model["id"])
    return 1 if fallen else 0


if __name__ == "__main__":
    sys.exit(main())
