"""Why a decision is what it is, and what is missing for a better one, each in a few words beside the whole sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_modelgate.adapters.verdict.schema import ChampionPart, LimitPart, ModelPart, ProofPart
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.decision.proof import TITLES
from pytest_modelgate.core.integrity.check import CHECKS
from pytest_modelgate.core.statistics.paired_comparison import Comparison
from pytest_modelgate.core.training.run import METRICS
from pytest_modelgate.report.formats import likely, plural, probability, ratio, share, signed, to_float

LEVELS = ("INCOMPLETE", "DROP", "RETRAIN", "PAPER", "LIVE")  # from bad to good
MEANINGS = {
    "INCOMPLETE": "could not be judged",
    "DROP": "do not use it",
    "RETRAIN": "train it again",
    "PAPER": "trade it on paper only",
    "LIVE": "it may trade real money",
}
METRIC_NAMES = {
    "fitness_score": "fitness",
    "profit_factor": "profit factor",
    "consistency": "consistency",
    "max_drawdown": "training drawdown",
}
_COSTS = "costs"  # the title of a proof in older verdicts
_BRIEF = {
    "return": "no profit over all folds together",
    "lucky_fold": "no profit without its best fold",
    "champion": "worse than the model now deployed",
    "implausible": "too good to be true",
    "flagged_bars": "hangs on doubtful prices",
    "parity": "parity with the trainer unproven",
}


@dataclass(frozen=True)
class Shortfall:
    """One thing that holds a decision down.

    Attributes:
        level: the most it allows.
        brief: what it is, in a few words.
        sentence: what was found, in full.
    """

    level: str
    brief: str
    sentence: str


def shortfalls(model: ModelPart, profile: Profile) -> list[Shortfall]:
    """Everything that holds a model below LIVE, the most severe first; of older verdicts, the reasons they give."""
    if model.decision == "INCOMPLETE":
        cause = model.reasons[0].removeprefix("INCOMPLETE: ")
        return [Shortfall("INCOMPLETE", cause, cause)]
    found = [Shortfall(limit.level, _brief(limit, model, profile), limit.reason) for limit in model.limits]
    if model.table_decision not in (None, "LIVE"):
        said = [reason for reason in model.reasons if reason not in {limit.reason for limit in model.limits}]
        table = Shortfall(str(model.table_decision), _table(model), said[0] if said else _table(model))
        found.insert(0, table)
    if not found and model.decision != "LIVE":
        return [Shortfall(model.decision, reason, reason) for reason in model.reasons]
    return sorted((item for item in found if item.level != "LIVE"), key=lambda item: LEVELS.index(item.level))


def why(model: ModelPart, found: list[Shortfall]) -> str:
    """The one reason of a decision: what alone holds it where it is, in a few words."""
    if model.decision == "LIVE":
        shown = f"; {plural(len(model.proofs), 'proof')} shown" if all(p.shown for p in model.proofs) else ""
        return f"{_won(model)}{shown}"
    deciding = [item.brief for item in found if item.level == model.decision] or [item.brief for item in found]
    others = len(deciding) - 1
    return (deciding[0] if deciding else model.reasons[0]) + (f" (and {others} more)" if others > 0 else "")


def _brief(limit: LimitPart, model: ModelPart, profile: Profile) -> str:
    if limit.kind == "gating":
        return _training(model, profile)
    if limit.kind == "backtest" and model.backtest and model.backtest.findings:
        return f"backtest: {model.backtest.findings[0]}"
    if limit.kind == "folds":
        return f"{plural(len(model.folds), 'fold')}, LIVE needs {profile.walk_forward.min_folds_live}"
    if limit.kind == "integrity":
        return f"integrity: not shown that {CHECKS[limit.name]}" if limit.name in CHECKS else "integrity"
    if limit.kind == "paper":
        return f"account: {model.paper.brief}" if model.paper else "no record of an account was judged"
    if limit.kind == "proof":
        proof = next((item for item in model.proofs if item.name == limit.name), None)
        return _proof(proof, limit.level) if proof else f"{TITLES.get(limit.name, limit.name)}: not measured"
    return _BRIEF.get(limit.kind, limit.kind.value)


def _training(model: ModelPart, profile: Profile) -> str:
    """The metrics that are not APPROVED; of a model in DROP those that put it there."""
    assert model.gating
    gating = model.gating
    band = "DROP" if gating.classification == "DROP" else "REVIEW"
    limits = profile.review if band == "DROP" else profile.approved
    parts = [
        f"{METRIC_NAMES[metric]} {training_figure(metric, to_float(gating.metrics[metric]))} (needs "
        f"{'at most ' if metric == 'max_drawdown' else ''}{training_figure(metric, getattr(limits, metric))})"
        for metric in METRICS
        if gating.bands.get(metric) == band
    ]
    return f"training in {gating.classification}{': ' if parts else ''}{', '.join(parts)}"


def training_figure(metric: str, value: float) -> str:
    """A training metric: drawdowns in percent, all others as a plain figure."""
    return share(value) if metric == "max_drawdown" else ratio(value)


def _table(model: ModelPart) -> str:
    losing = sum(to_float(fold.total_return) < 0.0 for fold in model.folds)
    if model.table_decision == "DROP":
        return f"{losing} of {len(model.folds)} folds lost money"
    apart = model.spread is not None and model.spread.column in ("moderate", "high")
    return _won(model) + (", and they differ more than chance explains" if apart else "")


def _won(model: ModelPart) -> str:
    won = sum(to_float(fold.total_return) > 0.0 for fold in model.folds)
    return f"{won} of {len(model.folds)} folds made money"


def _proof(proof: ProofPart, level: str) -> str:
    figure, limit = figure_and_limit(proof)
    if proof.name == "timing":
        return f"nothing tells its timing from luck: {figure}" if level == "RETRAIN" else f"timing: {figure}, {limit}"
    words = {
        "out_of_sample": f"{figure} on data it never saw, {limit}",
        "single_fold": f"timing without one fold: {figure}, {limit}",
        "money": f"profit at higher costs: {figure}, {limit}",
        "trades": f"{figure} closed trades, {limit}",
        "sharpe": f"probabilistic Sharpe ratio {figure}, {limit}",
        "delay": f"one bar later: {figure}, {limit}",
        "noise": f"under a little noise: {figure}, {limit}",
    }
    return words.get(proof.name, f"{proof_title(proof.name)}: {figure}, {limit}")


def proof_title(name: str) -> str:
    """Name of a proof in a few words."""
    return TITLES.get(name, _COSTS)


def figure_and_limit(proof: ProofPart) -> tuple[str, str]:
    """What was measured and what LIVE asks for, with units."""
    figure, limit = to_float(proof.figure), to_float(proof.limit)
    if proof.name in ("out_of_sample", "trades"):
        unit = f" of {limit:.0f} folds" if proof.name == "out_of_sample" else ""
        needs = "all needed" if unit else f"at least {limit:,.0f}"
        return ("undefined" if math.isnan(figure) else f"{figure:,.0f}{unit}"), needs
    if proof.name in ("money", "delay", "noise", "costs"):
        return signed(figure), "more than 0"
    if proof.name == "single_fold":
        return f"{ratio(figure)} \u03c3", f"at least {ratio(limit)} \u03c3"
    side = "at most" if proof.at_most else "at least"
    if proof.name != "timing":
        return probability(figure), f"{side} {probability(limit)}"
    smallest = 0.0001  # what two digits of a percent can tell
    told = f"p < {probability(smallest)}" if figure < smallest else f"p = {probability(figure)}"
    return told, f"{side} {probability(limit)}"


def record_text(psr: float, deflated: float, days_needed: float) -> str:
    """How likely a Sharpe ratio above 0 is, and how much more record would prove it."""
    if math.isnan(days_needed):
        return "there is no Sharpe ratio to prove"
    if days_needed == 0.0:
        length = "the record is long enough to show that"
    elif math.isinf(days_needed):
        length = "no length of such a record would prove it"
    else:
        length = f"{days_needed:,.0f} more days like these would prove it at 95\u00a0%"
    if math.isnan(psr):
        return length
    return (
        f"above 0 with a probability of {likely(psr)}, above what the best of all trials shows by luck with "
        f"{likely(deflated)}; {length}"
    )


def champion_text(part: ChampionPart) -> str:
    """Comparison with the model now deployed."""
    figures = (part.difference, part.low, part.high, part.champion_return, part.challenger_return)
    compared = Comparison(part.outcome, part.champion, *map(to_float, figures))
    return f"champion: {compared.sentence}."


def break_even_text(break_even: float) -> str:
    """Until which costs a model earns anything, in words."""
    if math.isnan(break_even):
        return "It paid no costs."
    if break_even == 0.0:
        return "It earns nothing even without costs."
    if math.isinf(break_even):
        return "It still earns when costs are 100 times as high."
    if break_even < 1.0:
        return f"It would earn only if costs were below {share(break_even, 0)} of those assumed."
    return f"It earns until costs are {ratio(break_even, 1)} times as high."


def single_sentence(verdict_complete: bool, live: int, paper: int) -> tuple[str, str]:  # noqa: FBT001 - a fact, no switch
    """The first sentence of the page, and the second: may anything trade money, may anything trade on paper."""
    if not verdict_complete:
        return "This verdict is not complete.", "Nothing here may trade, neither money nor on paper."
    money = "Nothing here may trade money." if not live else f"{_models(live)} may trade money."
    on_paper = "Nothing may trade on paper." if not paper else f"{_models(paper)} may trade on paper."
    if not paper and live:
        return money, "Nothing else may trade on paper."
    if live:
        return money, f"{_models(paper, 'more ')} may trade on paper."
    return (money, on_paper) if paper else ("Nothing here may trade, neither money nor on paper.", "")


_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")


def _models(count: int, more: str = "") -> str:
    number = _NUMBERS[count] if count < len(_NUMBERS) else f"{count:,}"
    return f"{number} {more}model{'' if count == 1 else 's'}"
