"""Terms of the page in plain words: beside each where it stands, and all of them at its end."""

from __future__ import annotations

from markupsafe import Markup

GLOSSARY: dict[str, tuple[str, str]] = {
    "account": (
        "On the account",
        (
            "What a trading account, on paper or live, did with these very bytes since they were put in force, beside "
            "what they would have ordered, bar by bar, from what the account really held."
        ),
    ),
    "buy-and-hold": (
        "Buy and hold",
        ("The market bought with all equity at the start and never sold, without costs."),
    ),
    "closure": (
        "Unaccounted for",
        (
            "The largest difference between the change of the account's equity and what its positions, fills and fees "
            "add up to, as a share of equity: a deposit, or trades that are not on record."
        ),
    ),
    "drawdown": (
        "Drawdown",
        ("How far equity lies below its highest close so far. Measured at closes: within a bar it was deeper."),
    ),
    "equal-exposure": (
        "Equal exposure",
        (
            "The market held all the time at the model's own mean position, longs and shorts offset, without "
            "costs. What the model earns beyond that is its timing; what it does not earn beyond that, anybody "
            "could have had."
        ),
    ),
    "exposure": (
        "Exposure",
        ("The position as a share of equity. The mean position offsets longs and shorts; the mean size does not."),
    ),
    "flagged": (
        "Doubtful prices",
        ("Prices far from everything around them that came back at once, or did not move for many bars."),
    ),
    "fold": (
        "Fold",
        ("One of the consecutive windows of the walk-forward. A model starts each of them flat."),
    ),
    "in-sample": (
        "In-sample, out-of-sample",
        (
            "In-sample bars were seen in training: what a model earns there says nothing about new data. Out-of- "
            "sample bars lie after all training data and a gap of an observation's length; anything else is not "
            "shown to be unseen."
        ),
    ),
    "interval": (
        "90 % interval",
        (
            "Where the true figure lies with 90 % confidence, as far as bars like these tell: of returns by "
            "resampling blocks of bars (circular block bootstrap), of Sharpe ratios by their distribution for "
            "returns that are not normal."
        ),
    ),
    "noise-units": (
        "Noise units",
        (
            "A Sharpe ratio over what chance alone makes of it in a window of this length: a model without skill "
            "stays within \u00b12 in 19 of 20 windows."
        ),
    ),
    "odds": (
        "Odds for and against",
        (
            "An e-value: how many times as likely the days are for a trader with skill as for one without. It may be "
            "looked at every night: without skill it ever reaches 50 : 1 in at most one case of fifty."
        ),
    ),
    "profit-factor": (
        "Profit factor",
        ("What winning trades made over what losing ones lost, after costs."),
    ),
    "proof": (
        "Proof",
        (
            "A figure and a limit that LIVE asks for beyond the table of folds. One that is not shown allows "
            "PAPER at most."
        ),
    ),
    "review": (
        "APPROVED, REVIEW, DROP",
        ("Bands of the four training metrics. REVIEW allows PAPER at most; a model in DROP is not evaluated at all."),
    ),
    "sharpe": (
        "Sharpe ratio",
        (
            "Mean of the bars' returns over their standard deviation, times the square root of the bars in a "
            "year; the risk-free rate is 0."
        ),
    ),
    "sigma": (
        "\u03c3",
        ("A standard deviation of what luck alone makes of the figure."),
    ),
    "smallest-sharpe": (
        "Smallest Sharpe ratio found",
        ("A true Sharpe ratio below it stays unproven in a record of this length in more than one case of five."),
    ),
    "timing": (
        "Timing",
        ("Being in the market on the right days: the model's positions against the same positions on other days."),
    ),
    "trade": (
        "Trade",
        ("A round trip from flat to flat, whatever was added or taken off in between. The end of a fold closes it."),
    ),
    "trend": (
        "Trend and volatility",
        (
            "Kinds of market as they were known before each bar: the sign of the market's move over the 120 bars "
            "before it, and the standard deviation of its returns over the 24 bars before it, in thirds."
        ),
    ),
    "trials": (
        "Trials",
        ("How many models were looked at on this stretch of the market, as independent ones: the more, the more luck."),
    ),
}


_OF_ACCOUNTS = ("account", "closure", "odds")


def glossary(*, accounts: bool) -> dict[str, tuple[str, str]]:
    """Terms with their titles and meanings; those of accounts where any was asked."""
    return {name: entry for name, entry in GLOSSARY.items() if accounts or name not in _OF_ACCOUNTS}


def term(name: str, text: str = "", explained: bool = True) -> Markup:  # noqa: FBT001, FBT002 - from a template
    """A term that explains itself where a pointer rests on it, and leads to the glossary.

    Args:
        explained: whether the meaning stands in it; else the page's script puts it there from the glossary.
    """
    title, meaning = GLOSSARY[name]
    said = Markup(' title="{}"').format(meaning) if explained else ""
    return Markup('<a class="mg-term" href="#term-{}"{}>{}</a>').format(name, said, text or title)
