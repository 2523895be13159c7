"""``modelgate compare``: what changed from one verdict to another, for a terminal or as Markdown."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # pulls in pydantic and more, which --help must not pay for
    from pytest_modelgate.adapters.verdict.schema import Verdict
    from pytest_modelgate.services.comparison import Comparison, ModelChange

_WIDTH = 100
_TERM = 34  # of one side of a difference in terms
_WORDS = {True: "better", False: "worse", None: ""}


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("old", type=Path, metavar="old.json", help="the earlier verdict, or the folder it lies in")
    parser.add_argument("new", type=Path, metavar="new.json", help="the later one, likewise")
    parser.add_argument(
        "--markdown", action="store_true", help="write Markdown, for a pull request or a step summary (default: text)"
    )
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    """Compare, or raise; 0 whatever changed, since a comparison judges nothing."""
    from pytest_modelgate.adapters.verdict.reader import read_verdict
    from pytest_modelgate.services.comparison import compare_verdicts

    old, new = (path / "verdict.json" if path.is_dir() else path for path in (options.old, options.new))
    comparison = compare_verdicts(read_verdict(old), read_verdict(new))
    lines = as_markdown(comparison) if options.markdown else as_text(comparison)
    print("\n".join(map(terminal_safe, lines)))
    return 0


def as_text(comparison: Comparison) -> list[str]:
    """Lines of at most 100 columns, ASCII."""
    lines = [_side("old", comparison.old), _side("new", comparison.new)]
    for name, old, new in comparison.terms:
        lines.append(terminal_safe(f"  {name[:24]:<24}  {_cut(old)} -> {_cut(new)}")[:_WIDTH])
    if comparison.terms:
        lines.append("These terms differ, so figures may have changed without the models.")
    lines += [_tally(comparison), ""]
    for model in comparison.models:
        lines.append(f"{_way(model):<5} {terminal_safe(model.model)}  {_words(model, '->')}")
        lines += [f"{'':6}{line}" for line in textwrap.wrap(terminal_safe(model.reason), _WIDTH - 6)]
        for change in model.changes:
            row = f"{'':6}{change.metric:<28}{change.old:>12} -> {change.new:>12}  {_WORDS[change.better]}"
            lines.append(row.rstrip())
    return lines


def as_markdown(comparison: Comparison) -> list[str]:
    """Lines of Markdown, with every text of the verdicts escaped."""
    from pytest_modelgate.adapters.github import code, markdown, table

    lines = [f"## {_tally(comparison)}", ""]
    for name, verdict in (("old", comparison.old), ("new", comparison.new)):
        lines.append(f"- {name}: {code(terminal_safe(verdict.archive.name))}, verdict {code(verdict.digest[:16])}")
    lines.append("")
    if comparison.terms:
        lines += ["These terms differ, so figures may have changed without the models:", ""]
        terms = [[markdown(name), *(code(terminal_safe(value)) for value in pair)] for name, *pair in comparison.terms]
        lines += [*table(("term", "old", "new"), terms), ""]
    rows = [
        [_way(item), markdown(terminal_safe(item.model)), _words(item, "->"), markdown(terminal_safe(item.reason))]
        for item in comparison.models
    ]
    lines += [*table(("", "model", "decision", "why"), rows), ""]
    for model in comparison.models:
        if model.changes:
            changes = [[item.metric, item.old, item.new, _WORDS[item.better]] for item in model.changes]
            lines += [
                f"### {markdown(terminal_safe(model.model))}",
                "",
                *table(("figure", "old", "new", ""), changes),
                "",
            ]
    return lines


def _side(name: str, verdict: Verdict) -> str:
    state = "complete" if verdict.complete is True else "not complete"
    archive = terminal_safe(verdict.archive.name)[:48]
    return f"{name}: {archive}, verdict {verdict.digest[:16]}, {state}"


def _tally(comparison: Comparison) -> str:
    phrases = {"down": "down", "gone": "gone", "new": "new", "up": "up", "same": "with the same decision"}
    count = len(comparison.models)
    return f"{count} model{'s' if count != 1 else ''}: " + (
        ", ".join(f"{many} {phrases[way]}" for way, many in comparison.counts.items()) or "none"
    )


def _way(model: ModelChange) -> str:
    return model.direction.upper() if model.direction != "same" else "same"


def _words(model: ModelChange, arrow: str) -> str:
    if model.direction == "same":
        return model.new if model.changes else f"{model.new}, no figure changed"
    return f"{model.old or 'not there'} {arrow} {model.new or 'not there'}"


def _cut(text: str) -> str:
    return text if len(text) <= _TERM else f"{text[: _TERM - 3]}..."
