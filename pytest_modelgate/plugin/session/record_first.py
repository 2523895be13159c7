"""Market data that is recorded before the first test, where ``--gate-record-mode`` asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.planning.plan import ModelPlan, Plan, requests_of
from pytest_modelgate.errors import GateError, MarketDataError
from pytest_modelgate.services.gate import Gate
from pytest_modelgate.services.recording import Recorder, estimate, record_each


def record_first(gate: Gate, say: Callable[[str], None]) -> None:
    """Record what the models that will be evaluated need; whatever cannot be recorded is missing then.

    Args:
        say: is given lines about what is recorded.

    Raises:
        SettingsError: market data cannot be recorded with these keys or options.
        MarketDataError: the manifest of the cassettes is unusable, or recording crashed.
    """
    trouble: BaseException
    try:
        _record(gate, say)
    except GateError:
        raise
    except KeyboardInterrupt:
        trouble = KeyboardInterrupt("interrupted while market data was recorded")
    except Exception as error:  # noqa: BLE001 - whatever a client's library raises
        problem, remedy = (
            f"crashed with {type(error).__name__}",
            "Report this, with the versions of alpaca-py and vcrpy",
        )
        trouble = MarketDataError("recording market data", problem, remedy)
    else:
        return
    raise trouble  # with none of the frames in which it came about: they hold keys, and --showlocals would print them


def needed(plan: Plan, models: Sequence[ModelPlan], settings: Settings) -> list[MarketRequest]:
    """The market data that judging some models takes, each series once; also how a promoted one's were traded."""
    requests = [request for model in models for request in requests_of(model.model, settings, plan.as_of)]
    if settings.paper:
        from pytest_modelgate.services.watching import requests_since  # accounts and promotions, for who asks for them

        requests += [request for model in models for request in requests_since(model, settings, plan.as_of)]
    return list(dict.fromkeys(requests))


def _record(gate: Gate, say: Callable[[str], None]) -> None:
    plan, settings = gate.plan, gate.settings
    if settings.record_mode == "none" or settings.merge:
        return
    requests = needed(plan, [model for model in plan.models if model.work], settings)
    recorder = Recorder(settings.cassettes, mode=settings.record_mode, tell=say)
    missing, seconds = estimate(recorder, requests)
    if missing:
        say(f"recording {len(missing)} of {len(requests)} series, about {timedelta(seconds=round(seconds))}")
    for number, (request, result) in enumerate(record_each(recorder, requests), start=1):
        what = f"[{number}/{len(requests)}] {request.instrument.symbol} {request.timeframe}"
        say(f"{what}: {result if isinstance(result, GateError) else result[0]}")
