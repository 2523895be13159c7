"""The pictures of README and documentation, made from the demo: the closing table and the report, light and dark.

    python benchmarks/pictures.py        # `make pictures`; into docs/pictures/

Takes what the gate says and writes today, whatever that looks like: the last section of its output, and the first
screen of its page in Chromium. Needs playwright's Chromium, or one that is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
COLUMNS = 96
_SCREEN = {"width": 1280, "height": 800}
_FONT, _LINE, _MARGIN = 14, 19, 16  # px; a character of a monospaced font is three fifths as wide as it is high
_ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")
_PROMOTE = re.compile(r" --max-age \d+d$")
_LEFT_OUT = ("verdict: ", "report: ", "warning: the prices end ")


@dataclass(frozen=True)
class Look:
    """Colours of one scheme: text, ground, and what SGR codes 31 to 34 stand for."""

    ground: str
    text: str
    colours: tuple[str, str, str, str]


LOOKS = {
    "light": Look("#ffffff", "#1f2328", ("#b3261e", "#1a7f37", "#8a6100", "#0b57d0")),
    "dark": Look("#0d1117", "#e6edf3", ("#ff7b72", "#56d364", "#e3b341", "#79c0ff")),
}


def judge(folder: Path) -> list[str]:
    """Judge the demo in a folder; give the lines of the closing section, with their colours."""
    for name in ("demo_archive.zip", "demo_ledger.jsonl"):
        shutil.copy(ROOT / "examples" / name, folder)
    shutil.copytree(ROOT / "cassettes", folder / "cassettes")  # no path of this machine gets into a picture
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--model-archive=demo_archive.zip", "--gate-ledger=demo_ledger.jsonl"],
        cwd=folder,
        env={**os.environ, "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = run.stdout.splitlines()
    begins = [place for place, line in enumerate(lines) if " model gate " in _ESCAPE.sub("", line)]
    if run.returncode != 1 or not begins:
        raise RuntimeError(f"the demo ended with {run.returncode}:\n{run.stdout}{run.stderr}")
    return list(_timeless(lines[begins[-1] + 1 :]))


def _timeless(lines: list[str]) -> Iterator[str]:
    """Lines without what depends on the folder, and on how long ago the demo's market ended."""
    left_out = False
    for line in lines:
        plain = _ESCAPE.sub("", line)
        left_out = plain.startswith(_LEFT_OUT) or (left_out and plain.startswith("    "))
        if not left_out:
            yield _PROMOTE.sub("", plain) if _PROMOTE.search(plain) else line


def draw(lines: list[str], look: Look) -> str:
    """A terminal as SVG, with text that can be selected; lines too long for it go on below."""
    command = "$ pytest --model-archive=demo_archive.zip --gate-ledger=demo_ledger.jsonl"
    rows = [escape(command), "...", *(row for line in lines for row in _rows(line, look))]
    width, height = round(COLUMNS * _FONT * 0.6) + 2 * _MARGIN, len(rows) * _LINE + 2 * _MARGIN
    texts = "\n".join(
        f'<text x="{_MARGIN}" y="{_MARGIN + (place + 1) * _LINE - 5}" xml:space="preserve">{row}</text>'
        for place, row in enumerate(rows)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="The last lines of a run: a row per model, and what may be done now" '
        f'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="{_FONT}" '
        f'fill="{look.text}">\n<rect width="100%" height="100%" rx="8" fill="{look.ground}"/>\n{texts}\n</svg>\n'
    )


def _rows(line: str, look: Look) -> list[str]:
    plain = _ESCAPE.sub("", line)
    if len(plain) > COLUMNS:
        at = plain.rfind(" ", 0, COLUMNS)
        return [escape(plain[:at]), *_rows("    " + plain[at + 1 :], look)]
    parts, style = [], ""
    for place, part in enumerate(_ESCAPE.split(line)):
        if place % 2:
            style = "" if part in ("", "0") else f"{style};{part}"
        elif part:
            parts.append(_styled(part, style, look))
    return ["".join(parts)]


def _styled(text: str, style: str, look: Look) -> str:
    codes = set(style.split(";"))
    colour = next((look.colours[code - 31] for code in range(31, 35) if str(code) in codes), "")
    facts = (f' fill="{colour}"' if colour else "") + (' font-weight="bold"' if "1" in codes else "")
    return f"<tspan{facts}>{escape(text)}</tspan>" if facts else escape(text)


def photograph(page: Path, scheme: str, target: Path) -> None:
    """The first screen of a page, as a reader with that scheme sees it."""
    with sync_playwright() as playwright:
        installed = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        view = browser.new_page(viewport=_SCREEN, color_scheme="dark" if scheme == "dark" else "light")  # type: ignore[arg-type]
        view.goto(page.as_uri())
        view.wait_for_load_state("networkidle")
        view.screenshot(path=target)
        browser.close()


def main() -> None:
    """Judge once, draw both, in both schemes."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        lines = judge(Path(folder))
        for scheme, look in LOOKS.items():
            (PICTURES / f"table-{scheme}.svg").write_text(draw(lines, look), encoding="utf-8")
            photograph(Path(folder, "gate-report", "report.html"), scheme, PICTURES / f"report-{scheme}.png")
    for path in sorted(PICTURES.iterdir()):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
