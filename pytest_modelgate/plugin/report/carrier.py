"""pytest-html's page, made to carry ours: our part first, its table of tests folded away at the end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pytest_modelgate.report.page import SCRIPT_HASH, policy, script_hash

_SCRIPT = re.compile(r'<script(?: type="text/javascript")?>(.*?)</script>', re.DOTALL)
_OWN, _WAITING = "<script>", '<script type="text/plain" id="mg-tests-script">'
_TESTS = """<section class="mg" aria-label="Tests"><details id="mg-tests"><summary><h2>All tests ({})</h2></summary>
<noscript><p>The list of tests is made by a script, which this browser does not run.</p></noscript></details></section>
"""
_DATA = 'data-jsonblob="'
_VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1">'


def carried(head: str, pieces: Iterable[str], tail: str, *, tests: int) -> Iterator[str]:
    """The whole page, in pieces.

    Scripts that pytest-html, or who adds to it, put into the page may run, and no others. Its own, which lays out a row
    for each test, waits until somebody looks at them.

    Args:
        head, tail: what pytest-html wrote before and after the place of the gate's part.
        tests: how many are listed.
    """
    scripts = [*_SCRIPT.findall(head), *_SCRIPT.findall(tail)]
    guard = policy([SCRIPT_HASH, *map(script_hash, scripts)])
    head = head.replace("<html>", '<html lang="en">', 1).replace("<head>", f"<head>{guard}{_VIEWPORT}", 1)
    head = head.replace('<h1 id="title">', '<header><h1 id="title">', 1).replace("</h1>", "</h1></header>", 1)
    yield head
    yield from pieces
    yield _TESTS.format(tests)
    tail = tail.replace(' onclick="location.reload()"', "", 1)  # no policy lets it run, and the page is finished
    before, found, after = _slim(tail).rpartition(_OWN)
    yield from (before, _WAITING, after) if found and 'id="data-container"' in before else (tail,)


def _slim(tail: str) -> str:
    """The same with the data of the tests in single quotes: the many double ones in it take one letter each then."""
    start = tail.find(_DATA)
    end = tail.find('"', start + len(_DATA))
    if start < 0 or end < 0 or "'" in tail[start:end]:
        return tail
    data = tail[start + len(_DATA) : end].replace("&#34;", '"')
    return f"{tail[:start]}data-jsonblob='{data}'{tail[end + 1 :]}"
