"""Record the demo's cassettes: generated bars, served locally in Alpaca's format, fetched by the real client.

    python examples/record_demo_cassettes.py --cassettes cassettes

The same version of numpy gives the same bytes again; pytest compares a sample with what is committed.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from marketsim.demo import AS_OF, DEMO, demo_series
from marketsim.server import serve

from pytest_modelgate import Instrument, MarketRequest, Recorder, Settings, Timeframe, market_window, opens_request

_KEYS = {"APCA_API_KEY_ID": "demo-key", "APCA_API_SECRET_KEY": "demo-secret"}  # the local server takes any


def main() -> None:
    """Record one cassette per series of the demo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cassettes", type=Path, default=Path("cassettes"))
    folder = parser.parse_args().cassettes
    with serve(demo_series()) as server:
        environ = {"APCA_API_DATA_URL": server.url, **_KEYS}
        recorder = Recorder(folder, environ, mode="all", requests_per_minute=math.inf, now=lambda: AS_OF)
        for _, alpaca_symbol, name in DEMO:
            instrument, timeframe = Instrument.parse(alpaca_symbol.replace("/", "")), Timeframe(name)
            first, last = market_window(AS_OF, timeframe, instrument.asset_class, Settings.walk_forward_days)
            request = MarketRequest(instrument, timeframe, first, last, Settings.feed, Settings.adjustment)
            opens = opens_request(request, timeframe, Settings.sessions)
            for asked in (opens, request) if opens else (request,):
                outcome, bars = recorder.record(asked)
                print(f"{asked}: {len(bars)} bars, {outcome}")


if __name__ == "__main__":
    main()
