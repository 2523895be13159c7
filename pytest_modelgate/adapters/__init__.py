"""One outside thing each: archives, torch, Alpaca, cassettes, calendars, files."""
