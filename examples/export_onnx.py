"""Export the demo's UNIUSD policy as ONNX, and declare beside it what an ONNX file does not say.

    python examples/export_onnx.py --out examples/exported

The network is read from `demo_archive.zip`, built again in torch, and exported as whoever trained it would. Needs torch
alone: `dynamo=False` is torch's older exporter, which no further package is needed for. The same torch gives the same
bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import warnings
import zipfile
from pathlib import Path

import torch
from train_ppo import Network

HERE = Path(__file__).parent
MODEL = "UNIUSD_1Hour"
DECLARED = {
    "schema": "modelgate.policy/1",
    "format": "onnx",
    "model_version": "2.7.0",  # says what outputs and account features mean; without one: actions and account
    "lookback": 4,
}


class Logits(torch.nn.Module):
    """What trades: the policy without the value head that training needed."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.trunk, self.policy_head = network.trunk, network.policy_head

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Logits (n, actions) of flat observations (n, obs_dim)."""
        logits: torch.Tensor = self.policy_head(self.trunk(observations))
        return logits


def main() -> None:
    """Write the model and its declaration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "exported")
    options = parser.parse_args()
    with zipfile.ZipFile(HERE / "demo_archive.zip") as archive:
        checkpoint = torch.load(io.BytesIO(archive.read(f"models/rl_symbols/{MODEL}.pt")), weights_only=True)
    state = checkpoint["policy_state_dict"]
    hidden, inputs = state["trunk.0.weight"].shape
    network = Network(inputs, (hidden,), len(state["policy_head.bias"]))
    network.load_state_dict(state)
    options.out.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the older exporter, in favour of the newer one
        torch.onnx.export(
            Logits(network).eval(),
            (torch.zeros(1, inputs),),
            str(options.out / f"{MODEL}.onnx"),
            input_names=["observations"],
            output_names=["logits"],
            dynamic_axes={"observations": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    (options.out / f"{MODEL}.json").write_text(json.dumps(DECLARED, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
