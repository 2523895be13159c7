"""The rows of the table."""

from __future__ import annotations

from .market import Market
from .policy import Coins, Early, Loud, Pyramid, Quits, Spells, Trend
from .scenario import BLIND, COUNTED, Scenario

FLAT, BULL = Market("flat"), Market("bull, Sharpe 1.5", sharpe=1.5)
STOCKS = Market("stocks", "stocks")
LONG = Spells(96.0, 10.7)  # nine tenths of the time

_RISING = tuple(Market(f"rising, Sharpe {sharpe:g}", sharpe=sharpe) for sharpe in (0.75, 1.5, 3.0))
_WILD = (
    Market("heavy tails", tails=3.0),
    Market("jumps", jumps=50.0),
    Market("storms", storms=3.0),
)
_OVERNIGHT = Market("stocks that rise overnight", "stocks", sharpe=1.5, rises="overnight")
_REAL, _REAL_STOCKS = Market("real crypto", real=True), Market("real stocks", "stocks", real=True)

DOCUMENTED = (
    Scenario("no edge", FLAT, trials=(1, 5)),
    Scenario("knows nothing", FLAT, edge=BLIND),
    Scenario("long-biased", BULL, LONG, edge=BLIND),
    *(Scenario(f"lucky fold, {luck} sigma", FLAT, luck=float(luck)) for luck in (2, 3, 4, 6)),
    Scenario("best of 20", FLAT, candidates=20, trials=(1, 5, 20)),
    Scenario("overnight, a coin flip", STOCKS, Coins(overnight=True)),
    Scenario("Sharpe 1", FLAT, edge=1.0),
    Scenario("Sharpe 2", FLAT, edge=2.0),
    Scenario("Sharpe 3", FLAT, edge=3.0, trials=(1, 5, 8, 20)),
)

ROBUST = (
    *(Scenario("no edge", market) for market in _RISING),
    *(Scenario("Sharpe 3", market, edge=3.0) for market in _RISING),
    Scenario("long-biased, no edge", BULL, LONG),
    Scenario("momentum", FLAT, Trend(1.0)),
    Scenario("contrarian", FLAT, Trend(-1.0)),
    Scenario("momentum, long and short", FLAT, Trend(1.0, both=True)),
    Scenario("contrarian, long and short", FLAT, Trend(-1.0, both=True)),
    Scenario("long, short and out", FLAT, Spells(both=True)),
    Scenario("long or short, never out", FLAT, Spells(48.0, 0.0)),
    Scenario("holds two weeks", FLAT, Spells(336.0, 336.0)),
    Scenario("holds two hours", FLAT, Spells(2.0, 2.0)),
    *(Scenario("no edge", market) for market in _WILD),
    *(Scenario("Sharpe 3", market, edge=3.0) for market in _WILD),
    Scenario("best of 5", FLAT, candidates=5, trials=(1, 5)),
    Scenario("best of twenty alike", FLAT, candidates=20, alike=0.8, trials=(20, COUNTED)),
    Scenario("no edge", STOCKS, Spells(14.0, 14.0)),
    Scenario("by day, a coin flip", STOCKS, Coins(1, 6)),
    Scenario("Sharpe 3", STOCKS, Spells(14.0, 14.0), edge=3.0),
    Scenario("Sharpe 3, long, short and out", FLAT, Spells(both=True), edge=3.0),
)

ADVERSARIAL = (
    *(
        Scenario("trades on loud days only", Market(f"every tenth day x {ratio:g}", events=ratio), Coins(days="events"))
        for ratio in (2.0, 4.0)
    ),
    Scenario(
        "long or short on loud days only", Market("every tenth day x 4", events=4.0), Coins(days="events", both=True)
    ),
    Scenario("in while it is loud", Market("storms", storms=3.0), Loud("in")),
    Scenario("larger when loud", Market("storms", storms=3.0), Loud("more")),
    Scenario("smaller when loud", Market("storms", storms=3.0), Loud("less")),
    Scenario("in on weekdays", Market("quiet weekends", weekend=True), Coins(days="week")),
    Scenario("in at weekends", Market("quiet weekends", weekend=True), Coins(days="weekend")),
    Scenario("in at loud hours", Market("loud hours", hours=True), Coins(12, 20)),
    Scenario("in at the good hours", Market("good hours, Sharpe 1.5", sharpe=1.5, rises="overnight"), Coins(0, 8)),
    Scenario("overnight, a coin flip", _OVERNIGHT, Coins(overnight=True)),
    Scenario(
        "in at weekends", Market("rises at weekends", sharpe=1.5, rises="weekend"), Coins(days="weekend"), knows=True
    ),
    Scenario("in for the first days of a fold", Market("storms", storms=3.0), Early(5)),
    *(Scenario(f"quits {ahead:g} sigma ahead", FLAT, Quits(ahead)) for ahead in (1.0, 2.0)),
    Scenario("adds as it rises", FLAT, Pyramid(1.0)),
    Scenario("averages down", FLAT, Pyramid(-1.0)),
)

REAL = (
    Scenario("no edge", _REAL),
    Scenario("momentum", _REAL, Trend(1.0)),
    Scenario("contrarian, long and short", _REAL, Trend(-1.0, both=True)),
    Scenario("larger when loud", _REAL, Loud("more")),
    Scenario("Sharpe 3", _REAL, edge=3.0),
    Scenario("no edge", _REAL_STOCKS, Spells(14.0, 14.0)),
    Scenario("overnight, a coin flip", _REAL_STOCKS, Coins(overnight=True)),
)

SCENARIOS = (*DOCUMENTED, *ROBUST, *ADVERSARIAL, *REAL)
