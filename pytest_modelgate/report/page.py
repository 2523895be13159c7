"""The page: what may be done, a row per model, all of them at once, then a tear sheet for each that was evaluated."""

from __future__ import annotations

import base64
import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pytest_modelgate.adapters.verdict.schema import ModelPart, Verdict
from pytest_modelgate.core.evidence.records import WindowEvidence
from pytest_modelgate.core.training.run import METRICS
from pytest_modelgate.core.watching.evidence import WatchEvidence
from pytest_modelgate.errors import GateError
from pytest_modelgate.report import formats
from pytest_modelgate.report.assumptions import assumptions, judged_on, remarks
from pytest_modelgate.report.facts import PageFacts
from pytest_modelgate.report.further import FurtherPages
from pytest_modelgate.report.glossary import glossary, term
from pytest_modelgate.report.measured import Measured, measured
from pytest_modelgate.report.overview import RELATED, Brief, bets_text, brief_of, matrix, overlay, pairs_of
from pytest_modelgate.report.pictures import Detail, training_picture
from pytest_modelgate.report.rows import Row, best_first, gone, row_of
from pytest_modelgate.report.sheet import record_of, sheet_of
from pytest_modelgate.report.tints import Tinted, tinted
from pytest_modelgate.report.wording import MEANINGS, METRIC_NAMES, shortfalls, single_sentence, training_figure

_FEW, _OPEN = 20, 12  # models that the page shows in full, and unfolded
_IN_FULL = Detail(line=200, points=800, trades=120, csv=1000, days=1, tables=True, prices=True)
_IN_BRIEF = Detail(line=60, points=120, trades=10, csv=60, days=7, tables=False, prices=False)
_CHUNK = 1 << 20
_INDENT = re.compile(r"\n\s+")


def pieces(facts: PageFacts, beside: FurtherPages | None = None) -> Iterator[str]:
    """The gate's part of a page, as HTML, in pieces: each model is drawn, then let go of; no page is held whole.

    Args:
        facts: what the page is about. Evidence that cannot be read costs its model the pictures, and nothing else.
        beside: takes the sheets of very many models; None keeps all of them on the page.

    Raises:
        OSError: a further page cannot be written.
    """
    environment, verdict = _environment(), facts.verdict
    models = best_first(verdict.models)
    evaluated = [model.id for model in models if model.folds or model.backtest]
    shares = beside.shares(evaluated) if beside else []
    detail = _IN_FULL if len(evaluated) <= _FEW else _IN_BRIEF
    template = environment.get_template("sheet.html.j2")
    drawn: dict[str, tuple[Row, Brief | None]] = {}
    ordered = {model.id: model for model in models}

    def sheet(model: str) -> str:
        row, brief, said = _drawn(facts, ordered[model], detail)
        drawn[model] = row, brief
        return _INDENT.sub("\n", template.render(**said, opened=len(evaluated) <= _OPEN)) if row.evaluated else ""

    with tempfile.TemporaryFile("w+", encoding="utf-8") as sheets:
        for number, share in enumerate(shares, start=1):
            assert beside
            with beside.open(beside.name(number)) as page:
                page.writelines(_further(environment, facts, beside, number, len(shares), sheets=map(sheet, share)))
        sheets.writelines(sheet(model) for model in ordered if model not in drawn)
        elsewhere = {model: beside.name(number) for number, share in enumerate(shares, 1) for model in share if beside}
        rows = [replace(drawn[model][0], page=elsewhere.get(model, "")) for model in ordered]
        briefs = [brief for model in ordered if (brief := drawn[model][1])]
        yield environment.get_template("report.html.j2").render(**_first_screen(facts, rows, briefs))
        sheets.seek(0)
        while text := sheets.read(_CHUNK):
            yield text
    yield environment.get_template("end.html.j2").render(**_end(facts))


def document(facts: PageFacts) -> Iterator[str]:
    """A whole page for whoever has no pytest-html to carry it, as HTML in pieces; see ``pieces``."""
    yield from _begun(f"Model gate: {facts.verdict.archive.name}")
    yield from pieces(facts)
    yield "</body></html>\n"


def _begun(heading: str) -> Iterator[str]:
    title = Markup("{}").format(heading)
    yield f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">{policy([SCRIPT_HASH])}<title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"></head>'
    yield f'<body class="mg-own"><h1 id="title">{title}</h1>\n'


def _further(
    environment: Environment, facts: PageFacts, beside: FurtherPages, number: int, count: int, *, sheets: Iterable[str]
) -> Iterator[str]:
    """A further page: sheets, and the glossary that their terms lead to."""
    yield from _begun(f"Model gate: {facts.verdict.archive.name}, models, page {number} of {count}")
    around = {"css": _css(), "verdict": facts.verdict, "page": beside.page, "number": number, "count": count}
    names = [beside.name(place) for place in range(1, count + 1)]
    yield environment.get_template("further.html.j2").render(**around, names=names)
    yield from sheets
    yield environment.get_template("glossary.html.j2").render(glossary=_terms(facts), script=_script_element())
    yield "</body></html>\n"


def policy(script_hashes: Sequence[str]) -> str:
    """A content security policy as an element of ``<head>``: no script runs but those with these digests."""
    scripts = " ".join(f"'sha256-{digest}'" for digest in dict.fromkeys(script_hashes)) or "'none'"
    rules = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; script-src {scripts}"
    return f"<meta http-equiv=\"Content-Security-Policy\" content=\"{rules}; base-uri 'none'; form-action 'none'\">"


def script_hash(text: str) -> str:
    """The digest of a script as a content security policy names it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def script() -> str:
    """The page's own script."""
    return files("pytest_modelgate.report").joinpath("templates", "report.js").read_text(encoding="utf-8").strip()


SCRIPT_HASH = script_hash(script())


def _script_element() -> Markup:
    return Markup(f"<script>{script()}</script>")  # noqa: S704 - ours


@cache
def _css() -> Markup:
    return Markup(files("pytest_modelgate.report").joinpath("templates", "report.css").read_text("utf-8"))  # noqa: S704 - ours


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pytest_modelgate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["term"] = term
    environment.filters.update(
        signed=lambda figure: formats.signed(formats.to_float(figure)),
        share=lambda figure, digits=1: formats.share(formats.to_float(figure), digits),
        ratio=lambda figure: formats.ratio(formats.to_float(figure)),
        plural=formats.plural,
    )
    return environment


def _drawn(facts: PageFacts, model: ModelPart, detail: Detail) -> tuple[Row, Brief | None, dict[str, Any]]:
    """A model's row, what the overview needs of it, and its sheet, which is empty where it was not evaluated."""
    found, lost = _evidence(facts, model)
    row = row_of(model, found, facts.profile, facts.earlier)
    if not row.evaluated:
        return row, None, {}
    brief = brief_of(model.id, model.decision, found) if found else None
    sheet = sheet_of(model, found, facts.histories.get(model.id), facts.profile, detail, watched=_watched(facts, model))
    return row, brief, {**sheet, "lost": lost, "record": record_of(model.context)}


def _watched(facts: PageFacts, model: ModelPart) -> WatchEvidence | None:
    """What an account did with a model; where that cannot be read, its pictures are left out."""
    try:
        return facts.watched(model.id) if model.paper else None
    except GateError:
        return None


def _evidence(facts: PageFacts, model: ModelPart) -> tuple[Measured | None, str]:
    """What can be computed of a model, and why nothing can."""
    if not (model.folds or model.backtest):
        return None, ""
    count = facts.verdict.settings.get("folds", len(model.folds))
    try:
        windows: Mapping[str, WindowEvidence] = facts.windows(model.id)
    except GateError as error:
        return None, str(error)
    found = measured(dict(windows), [f"fold{fold.index}of{count}" for fold in model.folds])
    return found, "" if found or not model.folds else "its evidence is no longer there"


def _first_screen(facts: PageFacts, rows: Sequence[Row], briefs: Sequence[Brief]) -> dict[str, Any]:
    verdict = facts.verdict
    released = [model.decision for model in verdict.models if model.id in verdict.promotable]
    headline, second = single_sentence(verdict.complete is True, released.count("LIVE"), released.count("PAPER"))
    pairs = pairs_of(briefs, verdict.promotable)
    names, values = matrix(pairs)
    return {
        "css": _css(),
        "verdict": verdict,
        "headline": headline,
        "second": second,
        "steps": facts.steps,
        "rows": rows,
        "counts": {name: sum(row.decision == name for row in rows) for name in reversed(MEANINGS)},
        "remarks": remarks(facts),
        "earlier": _earlier(facts.earlier),
        "gone": gone(verdict, facts.earlier),
        "overlay": overlay(briefs, verdict.promotable),
        "bets": bets_text(pairs),
        "names": names,
        "matrix": [[(None if a == b else tinted_correlation(values[a, b])) for b in names] for a in names],
        "stopped": _stopped(facts),
        "glossary": _terms(facts),
        "metrics": [(METRIC_NAMES[name], _limits(facts, name)) for name in METRICS],
    }


def tinted_correlation(value: float) -> Tinted:
    """A correlation on its ground; one that relates nothing has none."""
    text = formats.ratio(value)
    if not abs(value) >= RELATED:
        return Tinted(text)
    return Tinted(text, "bad" if value > 0.0 else "good", tinted(value, 1.0).tint)


def _earlier(earlier: Verdict | None) -> str:
    """Which verdict the table compares with."""
    if earlier is None:
        return ""
    written = earlier.run.get("written", "")[:16].replace("T", " ")
    return (
        f"{earlier.archive.name}, {f'written {written} UTC' if written else 'of unknown date'}, {earlier.digest[:12]}"
    )


def _limits(facts: PageFacts, metric: str) -> str:
    side = "at most" if metric == "max_drawdown" else "at least"
    approved, review = (
        training_figure(metric, getattr(band, metric)) for band in (facts.profile.approved, facts.profile.review)
    )
    return f"{side} {approved} for APPROVED, {review} for REVIEW"


def _stopped(facts: PageFacts) -> list[dict[str, Any]]:
    """Models that were not evaluated, with their training metrics."""
    found = []
    for model in best_first(facts.verdict.models):
        if model.folds or model.backtest:
            continue
        gating, history = model.gating, facts.histories.get(model.id)
        figures = [
            (training_figure(name, formats.to_float(gating.metrics[name])), gating.bands[name])
            if gating
            else ("\u2013", "")
            for name in METRICS
        ]
        causes = [item.sentence for item in shortfalls(model, facts.profile)]
        picture = training_picture(model.id, history, gating, facts.profile, _IN_BRIEF) if history and gating else None
        found.append({"model": model, "figures": figures, "causes": causes, "picture": picture})
    return found


def _terms(facts: PageFacts) -> dict[str, tuple[str, str]]:
    return glossary(accounts=any(model.paper for model in facts.verdict.models))


def _end(facts: PageFacts) -> dict[str, Any]:
    return {
        "verdict": facts.verdict,
        "assumptions": assumptions(facts.verdict, facts.profile, facts.accounts),
        "judged_on": judged_on(facts.verdict),
        "profile": facts.profile,
        "command": facts.command,
        "version": version("pytest-modelgate"),
        "glossary": _terms(facts),
        "script": _script_element(),
    }
