"""Trading rules: costs, limits on size, and what is done beside a policy's actions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.market.bars import AssetClass
from pytest_modelgate.errors import SettingsError


@dataclass(frozen=True)
class TradingRules:
    """Costs of trading, limits on its size, and rules of execution, which are off where they are 0.

    Attributes:
        fee: fraction of the traded notional, charged on every fill.
        slippage: fraction of the price by which every fill is worse than the market.
        position_size: fraction of available equity that an order of 100 % size trades.
        cash_buffer: fraction of equity that is never available for orders.
        max_position: largest absolute position value as a fraction of equity, checked when an order adds to it.
        min_order_usd: smallest notional the broker accepts, USD.
        can_short: whether the broker sells what the account does not hold.
        min_confidence: softmax probability that an action needs to count.
        stop_loss: fraction of the average entry price that a position may lose before it is closed within the bar.
        take_profit: fraction of it that a position gains before it is closed within the bar.
    """

    fee: float
    slippage: float
    position_size: float
    cash_buffer: float
    max_position: float
    min_order_usd: float
    can_short: bool
    min_confidence: float = 0.0
    stop_loss: float = 0.0
    take_profit: float = 0.0

    def __post_init__(self) -> None:
        """Refuse percentages given for fractions, negative costs and NaN.

        Raises:
            SettingsError: a value is outside its range.
        """
        limits = {
            "fee": 1.0,
            "slippage": 1.0,
            "position_size": math.inf,
            "cash_buffer": 1.0,
            "max_position": math.inf,
            "min_order_usd": math.inf,
            "min_confidence": 1.0,
            "stop_loss": 1.0,
            "take_profit": 1.0,
        }
        for name, limit in limits.items():
            value = getattr(self, name)
            if not 0.0 <= value < limit:
                raise SettingsError(
                    f"trading rule {name}",
                    f"is {value!r}, expected at least 0 and below {limit:g}",
                    "Correct it in the profile; sizes and costs are fractions, 0.0025 is 0.25 %",
                )

    @property
    def exits_within_bars(self) -> bool:
        """Whether a position can be closed between a bar's open and its close."""
        return self.stop_loss > 0.0 or self.take_profit > 0.0


def rules_for(profile: Profile, asset_class: AssetClass) -> TradingRules:
    """Costs, sizes and rules of execution for one market. Alpaca lets stocks be sold short, crypto not."""
    crypto = asset_class is AssetClass.CRYPTO
    costs = profile.trading.crypto if crypto else profile.trading.us_equity
    return TradingRules(
        fee=costs.fee,
        slippage=costs.slippage,
        position_size=profile.trading.position_size,
        cash_buffer=profile.trading.cash_buffer,
        max_position=profile.trading.max_position,
        min_order_usd=profile.trading.min_order_usd,
        can_short=not crypto,
        min_confidence=profile.execution.min_confidence,
        stop_loss=profile.execution.stop_loss,
        take_profit=profile.execution.take_profit,
    )
