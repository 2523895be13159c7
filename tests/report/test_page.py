"""The page as text, made of a verdict and its evidence alone."""

from __future__ import annotations

import base64
import csv
import gc
import hashlib
import io
import json
import math
import re
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from support import report_factory as factory

from pytest_modelgate.adapters.drawing.svg import Drawing
from pytest_modelgate.core.evidence.curves import growth
from pytest_modelgate.core.evidence.records import WindowEvidence
from pytest_modelgate.errors import GateError
from pytest_modelgate.report import further
from pytest_modelgate.report import page as report_page
from pytest_modelgate.report.facts import PageFacts, Step
from pytest_modelgate.report.further import FurtherPages, further_pages
from pytest_modelgate.report.generated import GENERATED
from pytest_modelgate.report.page import SCRIPT_HASH, document, pieces

SCRIPT = "<script>alert(1)</script>"
UNI = "UNIUSD_1Hour"
EARNS = factory.judged("UNIUSD", drift=0.0008)
LOSES = factory.judged("LTCUSD", drift=-0.0008)


def render(facts: PageFacts) -> str:
    return "".join(pieces(facts))


def words(page: str) -> str:
    """What is read: without elements, in one line."""
    body = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u00a0", " ").split())


PAGE = render(factory.facts_of([EARNS, LOSES]))


def charts(page: str) -> dict[str, list[dict[str, Any]]]:
    """What the script gets, by kind of picture."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, text in re.findall(
        r'data-chart="(\w+)">(?:(?!</figure>).)*?<script type="application/json">(.*?)</script>', page, re.DOTALL
    ):
        found.setdefault(name, []).append(json.loads(text))
    return found


def files(page: str) -> Mapping[str, list[dict[str, str]]]:
    """Files to download, by name, as rows by column."""
    links = re.findall(r'download="([^"]+)" href="data:text/csv;charset=utf-8,([^"]+)"', page)
    return {name: list(csv.DictReader(unquote(unescape(text)).splitlines())) for name, text in links}


def test_the_same_evidence_gives_the_same_page() -> None:
    assert render(factory.facts_of([EARNS, LOSES])) == PAGE


def test_the_first_screen_says_what_may_be_done() -> None:
    steps = (Step("live", "modelgate promote v.json --minimum live"),)
    page = words(render(factory.facts_of([EARNS, LOSES], steps=steps)))

    assert page.index("One model may trade money.") < page.index("2 models: 1 LIVE, 1 DROP.")
    assert "For money modelgate promote v.json --minimum live" in page


def test_a_row_has_the_return_with_its_interval_equal_exposure_drawdown_sharpe_ratio_and_trades() -> None:
    row = words(re.search(r'<tr role="row" data-decision="LIVE".*?</tr>', PAGE, re.DOTALL)[0])  # type: ignore[index]

    assert re.fullmatch(
        r"UNIUSD 1Hour LIVE 5 of 5 folds made money; 5 proofs shown \+[\d.]+ % \+[\d.]+ % to \+[\d.]+ % "
        r"[+\u2212][\d.]+ % at \+[\d.]+ % \u2212[\d.]+ % [\d.]+ [\d.]+ to [\d.]+ \d+",
        row,
    )


def test_a_sheet_begins_with_what_is_missing_and_says_it_in_full_below() -> None:
    plan = factory.plan_of("UNIUSD", factory.HISTORY | {"consistency": (0.9, 0.9, 0.9, 0.7)})
    model = factory.judgement_of(plan, factory.evidence_of(plan, drift=0.0008))
    facts = factory.facts_of([model])

    page = words(render(facts))

    assert "UNIUSD 1Hour PAPER training in REVIEW: consistency 0.70 (needs 0.85)" in page
    assert (
        "What is missing for LIVE: training in REVIEW: consistency 0.70 (needs 0.85) The training metrics are in"
        in page
    )
    verdict = facts.verdict.model_copy(update={"models": [facts.verdict.models[0].model_copy(update={"limits": []})]})
    older = words(render(replace(facts, verdict=verdict)))  # from before limits were written
    assert "What is missing for LIVE: The training metrics are in the REVIEW band" in older


def test_since_the_last_verdict_models_went_up_down_are_new_or_gone() -> None:
    before = factory.verdict_of([EARNS, LOSES])[2]
    was = {"UNIUSD_1Hour": "PAPER", "LTCUSD_1Hour": "RETRAIN"}
    models = [item.model_copy(update={"decision": was[item.id]}) for item in before.models]
    old = models[0].model_copy(update={"id": "OLDUSD_1Hour"})
    earlier = before.model_copy(update={"models": [*models, old]})

    page = render(factory.facts_of([EARNS, LOSES, factory.judged("NEWUSD", drift=0.0008)], earlier=earlier))

    found = dict(re.findall(r'data-name="(\w+)_1hour">.*?mg-since-(\w*)"', page, re.DOTALL))
    assert found == {"uniusd": "up", "ltcusd": "down", "newusd": "new"}
    assert "Gone: OLDUSD_1Hour (PAPER)." in words(page)


def test_two_models_that_are_the_same_bet_are_called_one() -> None:
    twin = factory.plan_of("ETHUSD")
    same = {
        name: replace(item, model="ETHUSD_1Hour")
        for name, item in factory.evidence_of(EARNS.plan, drift=0.0008).items()
    }
    page = words(render(factory.facts_of([EARNS, factory.judgement_of(twin, same)])))

    assert "ETHUSD_1Hour and UNIUSD_1Hour are largely one bet (1.00)" in page


@pytest.mark.parametrize(
    ("value", "sign", "told"),
    [
        (0.03, "", "0.03"),
        (-0.39, "", "\u22120.39"),
        (0.4, "bad", "0.40"),
        (-0.8, "good", "\u22120.80"),
        (math.nan, "", "\u2013"),
    ],
)
def test_only_correlations_that_relate_models_have_a_ground(value: float, sign: str, told: str) -> None:
    cell = report_page.tinted_correlation(value)

    assert (cell.text, cell.sign, cell.tint > 0) == (told, sign, bool(sign))


def test_models_take_no_more_room_than_many_of_them_have(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = len(render(factory.facts_of([LOSES], windows=lambda _: {})))
    twenty = (len(PAGE) - frame) / 2
    monkeypatch.setattr(report_page, "_FEW", 0)
    monkeypatch.setattr(report_page, "_OPEN", 0)
    brief = render(factory.facts_of([EARNS, LOSES]))

    assert 20 * twenty + frame < 2_500_000  # pytest-html's own part of 400 tests takes 0.5 MB
    assert 200 * (len(brief) - frame) / 2 + frame < 11_000_000  # and 3.6 MB of 4,000
    assert brief.count('<details class="mg-sheet') == 2
    assert not re.search(r'<details class="mg-sheet[^>]* open', brief)


def test_models_are_drawn_one_by_one_and_let_go_of() -> None:
    plans = {plan.model.id: plan for plan in (factory.plan_of(f"AA{letter}USD") for letter in "ABCD")}
    judgements = [factory.judgement_of(plan, factory.evidence_of(plan, drift=0.001)) for plan in plans.values()]
    asked: list[weakref.ref[WindowEvidence]] = []
    held = []

    def windows(model: str) -> Mapping[str, WindowEvidence]:
        gc.collect()
        held.append(sum(found() is not None for found in asked))
        whole = factory.evidence_of(plans[model], drift=0.001)
        found = {name: item for name, item in whole.items() if isinstance(item, WindowEvidence)}
        asked.append(weakref.ref(found["fold1of5"]))
        return found

    render(factory.facts_of(judgements, windows=windows))

    assert held == [0, 0, 0, 0]


def test_the_scripts_curves_are_those_of_the_evidence() -> None:
    (chart, _) = charts(PAGE)["growth"]
    curves = growth(EARNS.measured_folds)
    minutes = np.cumsum([chart["t"][0], *(step for step, count in chart["t"][1] for _ in range(count))])
    model, equal, market, depth = (np.cumsum(line["v"]) * line["u"] for line in chart["s"])
    rows = np.searchsorted(curves.times, 60 * minutes)

    assert [line["n"] for line in chart["s"]] == ["model", "equal exposure", "buy and hold", "drawdown"]
    assert (curves.times[rows] == 60 * minutes).all()
    assert model == pytest.approx(curves.model[rows], abs=0.51e-4)
    assert equal == pytest.approx(curves.equal[rows], abs=0.51e-4)
    assert market == pytest.approx(curves.market[rows], abs=0.51e-4)
    assert depth.min() == pytest.approx(-curves.drawdown.max(), abs=0.51e-4)
    assert len(chart["trades"]) == sum(fold.metrics.closed_trades for fold in EARNS.measured_folds)


def test_files_hold_every_day_trade_and_fold() -> None:
    found = files(PAGE)
    days, trades, folds = (found[f"{UNI}-{name}.csv"] for name in ("equity", "trades", "folds"))

    assert EARNS.decision
    assert len(days) == 181
    assert float(days[-1]["return"]) == pytest.approx(EARNS.decision.compounded_return, rel=1e-5)
    earned = [sum(float(row["pnl_usd"]) for row in trades if row["fold"] == str(fold)) for fold in range(1, 6)]
    ends = [fold.equity[-1] - fold.equity[0] for fold in EARNS.measured_folds]
    assert earned == pytest.approx(ends, rel=0.05)
    assert [row["window"] for row in folds] == [*(f"fold{n}of5" for n in range(1, 6)), "backtest"]


def test_positions_that_rules_closed_and_orders_that_were_refused_are_told_of_their_fold() -> None:
    found = factory.evidence_of(EARNS.plan, drift=0.001)
    fold = found["fold1of5"]
    assert isinstance(fold, WindowEvidence)
    exits = {"stop_loss": 3, "take_profit": 2}
    found["fold1of5"] = replace(fold, exits=exits, refused={"short_not_allowed": 7}, waited=2)

    page = words(render(factory.facts_of([factory.judgement_of(EARNS.plan, found)])))

    assert page.count("Closed by a rule 3 by stop loss, 2 by take profit") == 1
    assert page.count("Not executed, here as at Alpaca 7 to sell crypto it did not hold") == 1
    assert page.count("Waited for the session's open 2 orders") == 1


def test_the_page_says_what_it_assumes_what_outputs_mean_and_how_the_account_is_fed() -> None:
    rules = replace(factory.PROFILE.execution, min_confidence=0.4, stop_loss=0.02)
    facts = factory.facts_of([EARNS], accounts="neutral")
    plain, ruled = (
        words(render(facts)),
        words(render(replace(facts, profile=replace(factory.PROFILE, execution=rules)))),
    )

    assert "Fees 25 bp for crypto, 0 bp for stocks, on every fill" in plain
    assert "a full order is 9.5 % of equity: 10 % of what is beyond the cash buffer of 5 %; at least 1 USD" in plain
    assert "Rules of execution none: no stops, targets or least confidence" in plain
    assert "actions count from a confidence of 40 %, stop at \u22122.0 % of the entry" in ruled
    checkpoint = EARNS.measured[0].checkpoint
    assert f"Outputs {', '.join(checkpoint.actions)} Account features none" in plain
    assert f"Parity {checkpoint.parity}: {checkpoint.parity_detail} Layers" in plain


def test_texts_from_archive_checkpoint_and_command_line_are_text() -> None:
    found = factory.evidence_of(EARNS.plan, drift=0.0008)
    hostile = {
        name: factory.renamed(item, member=SCRIPT, model_version=SCRIPT, feature_set=SCRIPT, parity_detail=SCRIPT)
        if isinstance(item, WindowEvidence)
        else item
        for name, item in found.items()
    }
    model = factory.judgement_of(EARNS.plan, hostile)

    page = render(factory.facts_of([model], name=f"{SCRIPT}.zip", command=SCRIPT, notes=((SCRIPT, SCRIPT),)))

    plain = render(factory.facts_of([EARNS]))
    assert page.count("<script") == plain.count("<script")
    assert page.count("&lt;script&gt;") == 9  # bar, archive, command, note twice, member, version, features, parity
    assert "on" not in {name[:2] for name in re.findall(r"<[^>]*\s([a-z-]+)=", page.partition("<script>")[0])}


def test_nothing_runs_but_the_pages_own_script() -> None:
    page = "".join(document(factory.facts_of([EARNS])))
    (text,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)

    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in page
    assert page.startswith("<!DOCTYPE html>")
    assert page.index("Content-Security-Policy") < page.index("<title>")


def test_an_incomplete_model_says_what_is_missing_and_shows_what_is_there() -> None:
    page = render(factory.facts_of([factory.incomplete("UNIUSD")]))

    assert "Not complete: UNIUSD_1Hour: fold3of5 was not evaluated in this run" in words(page)
    assert "Could not be judged, because: fold3of5 was not evaluated in this run" in words(page)
    assert "no evidence" not in page
    assert set(charts(page)) == {"overlay", "growth", "rolling", "prices"}


def test_evidence_that_cannot_be_read_costs_its_model_the_pictures_alone() -> None:
    def windows(model: str) -> Mapping[str, WindowEvidence]:
        if model == UNI:
            raise GateError("evidence", "is no longer what was judged", "Run again")
        return {window.window: window for window in LOSES.measured}

    page = render(factory.facts_of([EARNS, LOSES], windows=windows))

    assert "Without pictures: evidence: is no longer what was judged. Run again." in words(page)
    assert len(charts(page)["growth"]) == 1
    assert "5 of 5 folds made money; 5 proofs shown" in words(page)


def test_a_picture_that_cannot_be_drawn_costs_neither_the_report_nor_its_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Drawing, "finish", lambda *_: 1 / 0)

    page = render(factory.facts_of([EARNS]))

    assert page.count("This picture could not be drawn") == 6
    assert '<th scope="col">drawdown</th>' in page


def test_prices_of_the_demo_are_known_to_be_generated() -> None:
    manifest = json.loads((Path(__file__).parents[2] / "cassettes" / "manifest.json").read_text())
    series = {facts["bars_sha256"] for facts in manifest["cassettes"].values() if "bars_sha256" in facts}

    assert series <= GENERATED
    facts = factory.facts_of([EARNS])
    market = facts.verdict.market_data[0].model_copy(update={"sha256": min(series)})
    verdict = facts.verdict.model_copy(update={"market_data": [market]})
    assert "Generated prices: the prices of UNIUSD are made up" in words(render(replace(facts, verdict=verdict)))
    assert "made up" not in words(PAGE)


class Folder:
    """Files by name, as far as they were written."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    @contextmanager
    def open(self, name: str) -> Iterator[io.StringIO]:
        text = io.StringIO()
        yield text
        self.files[name] = text.getvalue()


def test_sheets_of_very_many_models_stand_in_further_pages_that_links_lead_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(further, "MOST", 2)
    monkeypatch.setattr(further, "_EACH", 2)
    models = [factory.judged(f"WA{letter}USD", drift=0.001) for letter in "ABC"]
    folder = Folder()

    page = "".join(pieces(factory.facts_of(models), FurtherPages("r.html", folder.open)))

    links = re.findall(r'href="(r-models-\d[.]html)#(model-[^"]+)"', page)
    assert len(links) == 3
    assert sorted(folder.files) == ["r-models-1.html", "r-models-2.html"]
    assert all(
        'class="mg-sheet' in folder.files[name] and f'id="{place}"' in folder.files[name] for name, place in links
    )
    assert 'class="mg-sheet' not in page
    assert {place for _, place in links} <= set(
        re.findall(r'id="([^"]+)"', page)
    )  # what leads to a model finds its row
    for text in folder.files.values():
        inner = set(re.findall(r'href="#([^"]+)"', text))
        assert inner <= set(re.findall(r'id="([^"]+)"', text))
        assert 'href="r.html#mg-models"' in text
        assert f"sha256-{SCRIPT_HASH}" in text


def test_as_many_models_as_one_page_holds_need_no_further_one() -> None:
    folder = Folder()

    page = "".join(pieces(factory.facts_of([EARNS]), FurtherPages("r.html", folder.open)))

    assert (folder.files, page) == ({}, render(factory.facts_of([EARNS])))


def test_further_pages_of_an_earlier_run_are_removed_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    for name in (
        "r.html",
        "r-models-1.html",
        "r-models-12.html",
        "r-models-x.html",
        "r-models-1.txt",
        "q-models-1.html",
    ):
        (tmp_path / name).write_text("-")

    further_pages(page)

    assert {path.name for path in tmp_path.iterdir()} == {
        "r.html",
        "r-models-x.html",
        "r-models-1.txt",
        "q-models-1.html",
    }
