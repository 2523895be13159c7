"""``modelgate ci``: what the steps of ``gate.yml`` and of the workflows beside it do, so that it can be tested.

Each command is one step. What it finds goes to the jobs after it as outputs of the step.
"""

from __future__ import annotations

import argparse

from pytest_modelgate.cli.ci.again import add_again
from pytest_modelgate.cli.ci.judging import add_judging
from pytest_modelgate.cli.ci.moving import add_moving
from pytest_modelgate.cli.ci.watched import add_watched


def add_ci(parser: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    commands = parser.add_subparsers(required=True, metavar="step")
    add_judging(commands)
    add_moving(commands)
    add_again(commands)
    add_watched(commands)
