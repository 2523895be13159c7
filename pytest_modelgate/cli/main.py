"""The command line: begin, check, record, register, promote, take back, watch, compare verdicts, draw them again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from pytest_modelgate.cli.check import add_check
from pytest_modelgate.cli.ci import add_ci
from pytest_modelgate.cli.compare import add_compare
from pytest_modelgate.cli.demo import add_demo
from pytest_modelgate.cli.init import add_init
from pytest_modelgate.cli.promote import add_promote, add_rollback, add_withdraw
from pytest_modelgate.cli.record import add_record
from pytest_modelgate.cli.register import add_register
from pytest_modelgate.cli.report import add_report
from pytest_modelgate.cli.watch import add_watch
from pytest_modelgate.errors import GateError
from pytest_modelgate.text import terminal_safe

_NEEDS_ATTENTION, _INTERRUPTED = 1, 130


_EXAMPLES = """examples:
  modelgate demo                        what a verdict looks like, in half a minute, without keys
  modelgate init                        a repository of your own, in an empty folder
  modelgate check X.zip                 what would be judged, what refused, and the lines that mend it
  modelgate record X.zip                the market data that the archive is judged on, once
  modelgate promote gate-report/verdict.json --archive X.zip --to models/paper --minimum paper
  modelgate watch models/paper --archive X.zip
                                        what the account that trades them did, every night

modelgate COMMAND --help tells the options of a command."""


def make_parser() -> argparse.ArgumentParser:
    """The whole command line, with the help of every command."""
    parser = argparse.ArgumentParser(
        prog="modelgate",
        description="Companion of pytest --model-archive: before and after models are judged.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    number = f"modelgate {version('pytest-modelgate')}"
    parser.add_argument("--version", action="version", version=number, help="show the version, and end")
    commands = parser.add_subparsers(required=True, metavar="command")
    add_demo(commands.add_parser("demo", help="judge the demo, on generated bars, in a folder of its own"))
    add_init(commands.add_parser("init", help="write a repository that trains, judges and promotes; overwrite nothing"))
    check = "say what the gate would judge of an archive or a checkpoint, and what it would refuse"
    add_check(commands.add_parser("check", help=check))
    add_record(commands.add_parser("record", help="record the market data an archive is judged on"))
    add_register(commands.add_parser("register", help="enter an archive's bytes in the ledger, as known from now on"))
    add_promote(commands.add_parser("promote", help="put the models that a verdict releases where a trader reads them"))
    add_rollback(commands.add_parser("rollback", help="put the set that was promoted before back in force"))
    withdraw = "take a model out of force, because a verdict decides less of it"
    add_withdraw(commands.add_parser("withdraw", help=withdraw))
    add_watch(commands.add_parser("watch", help="record what a paper or live account does with promoted models"))
    add_compare(commands.add_parser("compare", help="show what changed from one verdict to another"))
    add_report(commands.add_parser("report", help="write the report again, from a verdict and the evidence beside it"))
    add_ci(commands.add_parser("ci", help="steps of the workflows that gate.yml and its companions are made of"))
    profiles = commands.add_parser("profiles", help="show the built-in threshold profiles")
    profiles.set_defaults(run=_profiles)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``modelgate``; status 0 all is well, 1 something needs attention, 2 bad usage, 130 interrupted."""
    options = make_parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except GateError as error:
        print(terminal_safe(f"modelgate: {error}"), file=sys.stderr)
        return _NEEDS_ATTENTION
    except KeyboardInterrupt:
        print("modelgate: interrupted; what was complete is kept", file=sys.stderr)
        return _INTERRUPTED
    return status


def _profiles(_: argparse.Namespace) -> int:
    from pytest_modelgate.adapters.config_files.profiles import builtin_profiles, load_profile

    row = "{:<14} {:>12} {:<9} {:>9} {:>14} {:>12} {:>13}"
    print(row.format("profile", "reward scale", "class", "fitness", "profit factor", "consistency", "max drawdown"))
    for name in builtin_profiles():
        profile = load_profile(name)
        for band, limits in (("APPROVED", profile.approved), ("REVIEW", profile.review)):
            figures = (limits.fitness_score, limits.profit_factor, limits.consistency, limits.max_drawdown)
            bounds = [f"{sign} {figure:g}" for sign, figure in zip((">=", ">=", ">=", "<="), figures, strict=True)]
            print(row.format(name, f"{profile.reward_scale:g}", band, *bounds))
    return 0


if __name__ == "__main__":  # where no script is installed
    sys.exit(main())
