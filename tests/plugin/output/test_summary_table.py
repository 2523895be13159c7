"""What the run says at its end and on its way, without a run."""

from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import report_factory as factory

from pytest_modelgate.core.config.cap_kind import CapKind
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.decision.caps import Cap, CapSource
from pytest_modelgate.core.planning.plan import WorkId
from pytest_modelgate.plugin.output.progress import Estimate, duration, say
from pytest_modelgate.plugin.output.summary_table import lay_out
from pytest_modelgate.plugin.output.text import held_back_by, most_severe_first, tally
from pytest_modelgate.text import terminal_safe

WORDS = ["INCOMPLETE", "DROP", "RETRAIN", "PAPER", "LIVE"]
cells = st.tuples(
    st.text(max_size=30), st.sampled_from(WORDS), *[st.text(alphabet="ab \x1b:é", max_size=20)] * 6
)  # fmt: skip


@settings(max_examples=40)
@given(st.lists(cells, max_size=4), st.integers(20, 100))
def test_the_table_always_fits_and_always_names_the_decision(rows: list[tuple[str, ...]], width: int) -> None:
    title, *laid = lay_out(rows, width)

    assert len(laid) == len(rows)
    assert all(
        len(line) <= width and line.isascii() and line.isprintable() for lines in (title, *laid) for line in lines
    )
    assert all(row[1] in lines[0] for row, lines in zip(rows, laid, strict=True))
    assert all(len(lines) <= 3 for lines in (title, *laid))


def test_on_a_narrow_screen_figures_go_and_reasons_stay() -> None:
    cause = "the checkpoint UNIUSD_1Hour.pt: is no checkpoint, expected a zip of torch.save."
    figures = ("LIVE", "APPROVED", "+3.1% pass", "5/5", "0.91 low")
    rows = [("AAPL_1Hour", "PAPER", *figures, "training, timing"), ("UNIUSD_1Hour", "PAPER", *figures, cause)]

    title, short, long = lay_out(rows, 60)

    assert title == ["model         decision  table  training  capped by"]
    assert short == ["AAPL_1Hour    PAPER     LIVE   APPROVED  training, timing"]
    assert long[0] == "UNIUSD_1Hour  PAPER     LIVE   APPROVED"
    assert (" ".join(" ".join(long[1:]).split()), {line[:4] for line in long[1:]}) == (cause, {"    "})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred\n", "a\\x1b[31mred\\x0a"),
        ("x ::error::y", "x :\\x3aerror:\\x3ay"),
        ("x ##[error]y", "x #\\x23[error]y"),
        ("modèle", "mod\\xe8le"),
    ],
)
def test_no_text_moves_the_cursor_or_commands_a_runner(text: str, shown: str) -> None:
    assert terminal_safe(text) == shown


def test_the_most_severe_comes_first() -> None:
    models = [
        factory.judged("AAAUSD", drift=0.0008),
        factory.judged("BBBUSD", drift=0.0008, sample="in-sample"),
        factory.judged("CCCUSD", drift=-0.0008),
        factory.incomplete("DDDUSD"),
        factory.incomplete("ABCUSD"),
    ]

    assert [judgement.label for judgement in models] == ["LIVE", "PAPER", "DROP", "INCOMPLETE", "INCOMPLETE"]
    assert [item.plan.model.id[:3] for item in most_severe_first(models)] == ["ABC", "DDD", "CCC", "BBB", "AAA"]
    assert tally(models) == "2 INCOMPLETE, 1 DROP, 1 PAPER, 1 LIVE"


def test_what_holds_a_model_back_is_what_its_caps_say() -> None:
    assert held_back_by(factory.judged("AAAUSD", drift=0.0008)) == ()
    assert held_back_by(factory.judged("BBBUSD", drift=0.0008, sample="in-sample")) == ("unseen data",)
    assert held_back_by(factory.judged("CCCUSD", drift=-0.0008)) == ("folds",)
    assert held_back_by(factory.incomplete("DDDUSD")) == ("no evidence",)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (CapSource(CapKind.GATING), "training"),
        (CapSource(CapKind.BACKTEST), "backtest"),
        (CapSource(CapKind.FOLDS), "too few folds"),
        (CapSource(CapKind.RETURN), "no profit"),
        (CapSource(CapKind.LUCKY_FOLD), "one lucky fold"),
        (CapSource(CapKind.CHAMPION), "champion"),
        (CapSource(CapKind.IMPLAUSIBLE), "implausible"),
        (CapSource(CapKind.FLAGGED_BARS), "doubtful prices"),
        (CapSource(CapKind.PARITY), "parity"),
        (CapSource(CapKind.INTEGRITY, "causality"), "causality"),
        (CapSource(CapKind.PROOF, "sharpe"), "Sharpe"),
        (CapSource(CapKind.PROOF, "trades"), "trades"),
    ],
)
def test_every_source_of_a_cap_has_a_name(source: CapSource, text: str) -> None:
    judgement = factory.judged("AAAUSD", drift=0.0008)
    assert judgement.decision
    cap = Cap(DecisionLevel.PAPER, "x.", source, waivable=False)
    capped = replace(judgement.decision, level=DecisionLevel.PAPER, caps=(cap,))

    assert held_back_by(replace(judgement, decision=capped)) == (text,)


def test_what_was_lifted_to_live_holds_nothing_back() -> None:
    judgement = factory.judged("AAAUSD", drift=0.0008)
    assert judgement.decision
    cap = Cap(DecisionLevel.LIVE, "x.", CapSource(CapKind.GATING), waivable=True)

    assert held_back_by(replace(judgement, decision=replace(judgement.decision, caps=(cap,)))) == ()


def test_a_cap_above_the_decision_holds_nothing_back() -> None:
    judgement = factory.judged("CCCUSD", drift=-0.0008)
    assert judgement.decision
    cap = Cap(DecisionLevel.PAPER, "x.", CapSource(CapKind.CHAMPION), waivable=True)
    capped = replace(judgement.decision, caps=(cap,))

    assert held_back_by(replace(judgement, decision=capped)) == ("folds",)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_estimate_follows_costs_not_counts() -> None:
    clock = Clock()
    short, long, last = (WorkId("M", name) for name in ("short", "long", "last"))
    estimate = Estimate({short: 10, long: 80, last: 10}, clock)

    clock.now += 5.0
    assert estimate.done(short) == ""  # too early to tell
    clock.now += 15.0
    assert estimate.done(short) == "1 of 3 windows, about 3 min left"  # 20 s for 10 of 100
    clock.now += 5.0
    assert estimate.done(long) == ""  # told a moment ago
    clock.now += 65.0
    assert estimate.done(long) == "2 of 3 windows, about 10 s left"
    clock.now += 100.0
    assert estimate.done(last) == ""  # nothing is left


def test_a_line_about_progress_shares_the_screens_with_nobody(pytester: pytest.Pytester) -> None:
    file = StringIO()
    config = pytester.parseconfig()
    reporter = pytest.TerminalReporter(config, file)
    config.pluginmanager.register(reporter, "terminalreporter")

    reporter.write("..x")  # as pytest shows tests of workers
    say(reporter, "1 of 3 windows")
    say(reporter, "2 of 3 windows")

    assert file.getvalue() == "..x\n1 of 3 windows\n2 of 3 windows\n"


def test_nothing_to_do_needs_no_estimate() -> None:
    clock = Clock()
    estimate = Estimate({}, clock)
    clock.now += 1000.0
    assert estimate.done(WorkId("M", "fold1of5")) == ""


def test_durations_are_told_as_people_tell_them() -> None:
    assert [duration(seconds) for seconds in (0.2, 89, 90, 5390, 5400)] == [
        "1 s",
        "89 s",
        "2 min",
        "1 h 30 min",
        "1 h 30 min",
    ]
