"""A record of evidence with figures that are easily spoilt."""

import math

from pytest_modelgate.core.backtest.metrics import FoldResult, Metrics
from pytest_modelgate.core.evidence.records import BarFigures, CheckpointEvidence, MarketEvidence, WindowEvidence
from pytest_modelgate.core.market.quality import Quality
from pytest_modelgate.core.policy.account_features import AccountFeature, Encoding

METRICS = Metrics(0.1 + 0.2, 0.05, math.nan, math.nan, math.inf, 1.0, 3, 0.1, 0.2, 4.0, 99_000.0, 864, 8760.0)
QUALITY = Quality(9165, 0, 0, 3, 0, 1, -0.26, "2024-08-05T00:00:00+00:00", (), (), ("one bar moved",))
EVIDENCE = WindowEvidence(
    model="UNIUSD_1Hour",
    window="fold1of5",
    start="2024-07-01T00:00:00+00:00",
    end="2024-08-06T00:00:00+00:00",
    sample="out-of-sample",
    checkpoint=CheckpointEvidence(
        "models/x.pt",
        "ab" * 32,
        "2.3.0",
        None,
        "reference-v1",
        "tanh",
        (8, 4),
        ("a", "b", "c"),
        100,
        53,
        ("HOLD", "BUY_50", "SELL_50"),
        (AccountFeature("pnl", 0.0, Encoding("tanh", 10.0), -1),),
        "proven",
        "all of it",
    ),
    market=MarketEvidence("UNIUSD", "1Hour", "us", "raw", "a", "b", 9165, "cd" * 32, QUALITY),
    metrics=METRICS,
    equity=(100_000.0, 100_000.1 / 3),
    bars=BarFigures((-2 / 3,), (0.0,), (0.1,), (0.001,), (1 / 3,), (0.0025,), (0.001,)),
    delayed=FoldResult(-0.1 / 3, 0.1, 864, 8760.0),
    refused={"position_cap": 2},
    times=(1719792000,),
    first_open=100.0 / 3,
)
