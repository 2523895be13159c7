"""Text from an archive is text wherever it is shown: no markup, no workflow command, no control code."""

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support.model_factory import APPROVED, follow
from support.plugin_helpers import ARCHIVE, RunGate, model, pack

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
POLICY = follow("momentum_24")


class _Markup(HTMLParser):
    """What a piece of HTML holds that an archive might have put there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if names.get("src") == "x" or "planted" in names or "javascript:" in str(names.get("href")):
            self.found.append(tag)

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script" and data.strip() == "alert(1)":
            self.found.append("script")


def test_the_markup_that_is_looked_for_would_be_found() -> None:
    assert _Markup(f"<p>{SCRIPT}<b planted>").found == ["script", "img", "b"]


def test_text_of_an_archive_is_inert_in_terminal_report_and_junit(
    run_gate: RunGate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = model("WAVUSD", APPROVED, POLICY, min_trader_version=f"[x](javascript:1)|**b**{SCRIPT}")
    command = "##[add-mask]y :: ::error::planted ::error::planted ::error::planted"
    config = {"activation": f"{command} <b planted>"[:80], "feature_set": "reference-v1"}
    unknown = model("RNDUSD", APPROVED, POLICY, config=config)
    archive = pack(tmp_path, said, unknown, activation=None)
    archive = archive.rename(tmp_path / f"::error::<b planted>{SCRIPT[:8]}{ARCHIVE}")

    result = run_gate(archive, "-rA", "-v", "--junitxml=junit.xml", "--gate-activation=tanh", drawn=True)

    assert result.decision("RNDUSD_1Hour") == "INCOMPLETE"
    lines = result.text.splitlines()
    assert "add-mask]y" in result.text, "it is shown, or else this shows nothing"
    assert [line for line in lines if line.lstrip().startswith("::") or "##[" in line] == []
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", result.text.replace("\r\n", "\n")) is None

    page = (result.output / "report.html").read_text(encoding="utf-8")
    assert _Markup(page).found == []
    assert "add-mask]y" in page
    blobs = re.findall(r"data-jsonblob='([^']*)'", page)  # pytest-html's script puts these in as HTML
    assert len(blobs) == 1
    for blob in blobs:
        for row in (row for rows in json.loads(unescape(blob))["tests"].values() for row in rows):
            assert _Markup("".join(str(part) for part in row.values())).found == []

    assert "planted" in "".join(ET.parse(result.output.parent / "junit.xml").getroot().itertext())
