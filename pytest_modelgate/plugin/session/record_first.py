"""Market data that is recorded before the first test, where ``--gate-record-mode`` asks for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from pytest_modelgate.core.planning.plan import requests_of
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


def _record(gate: Gate, say: Callable[[str], None]) -> None:
    plan, settings = gate.plan, gate.settings
    if settings.record_mode == "none" or settings.merge:
        return
    models = [model.model for model in plan.models if model.work]
    wanted = [request for model in models for request in requests_of(model, settings, plan.as_of)]
    requests = list(dict.fromkeys(wanted))
    recorder = Recorder(settings.cassettes, mode=settings.record_mode, tell=say)
    missing, seconds = estimate(recorder, requests)
    if missing:
        say(f"recording {len(missing)} of {len(requests)} series, about {timedelta(seconds=round(seconds))}")
    for number, (request, result) in enumerate(record_each(recorder, requests), start=1):
        what = f"[{number}/{len(requests)}] {request.instrument.symbol} {request.timeframe}"
        say(f"{what}: {result if isinstance(result, GateError) else result[0]}")
