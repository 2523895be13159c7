"""The report in a real Chromium: what readers see, and what the page does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree as ET

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from support import browser, cheap_gate, cheap_runs, model_factory
from support import report_factory as factory
from support.browser import Watched
from support.cheap_runs import WAV, CheapRun
from support.plugin_helpers import pack

from pytest_modelgate.report import page as report_page

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>".replace("/", "&#47;")
TESTS = 3 * cheap_runs.TESTS_PER_MODEL


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> CheapRun:
    """Three models on two workers, from an archive with a name that wants to run."""
    folder = tmp_path_factory.mktemp("hostile")
    archive = pack(
        folder,
        cheap_gate.artifact("RNDUSD", model_factory.REVIEW),
        cheap_gate.artifact("WAVUSD", model_factory.APPROVED),
        cheap_gate.artifact("ZEDUSD", model_factory.DROP),
    )
    hostile = archive.rename(folder / f"{HOSTILE}_20241227_211819.zip")
    return cheap_runs.run(folder, hostile, "-n2", "--no-header", drawn=True)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.chromium() as found:
        yield found


@pytest.fixture(scope="module", params=["light", "dark"])
def page(request: pytest.FixtureRequest, chromium: Browser, run: CheapRun) -> Iterator[Watched]:
    scheme: Literal["light", "dark"] = request.param
    with browser.opened(chromium, run.output / "report.html", scheme=scheme) as watched:
        yield watched


@pytest.fixture
def whole(page: Watched) -> Watched:
    """The page as it was opened, but for what nobody undoes: the list of tests."""
    page.page.evaluate("document.querySelectorAll('.mg-reset').forEach(button => button.click())")
    page.page.locator('[data-filter=""]').click()
    page.page.mouse.move(0, 0)
    return page


def row_ids(page: Watched) -> list[str]:
    rows = page.page.locator(".mg-models tbody tr:visible")
    return [str(row.get_attribute("data-name")) for row in rows.all()]


def violations(page: Watched) -> list[tuple[str, list[str]]]:
    found: dict[str, Any] = Axe().run(page.page).response
    return [(item["id"], [node["html"][:200] for node in item["nodes"]]) for item in found["violations"]]


def test_the_first_screen_says_what_may_be_done_and_names_every_model(page: Watched) -> None:
    assert (
        page.page.locator(".mg-sentence").inner_text() == "Nothing here may trade money. One model may trade on paper."
    )
    assert row_ids(page) == ["wavusd_1hour", "rndusd_1hour", "zedusd_1hour"]
    assert page.page.locator(".mg-models .mg-word").all_inner_texts() == ["PAPER", "DROP", "DROP"]
    assert page.page.locator(".mg-models tbody tr").first.bounding_box()["y"] < 900  # type: ignore[index]
    assert "modelgate promote" in page.page.locator(".mg-command").inner_text()


def test_the_page_says_what_was_judged_and_how_to_do_it_again(page: Watched, run: CheapRun) -> None:
    text = page.page.locator("#modelgate").inner_text()

    assert run.verdict["archive"]["sha256"] in text
    assert "In-sample warning" in text
    assert re.search(r"Market\s+2024-06-30 21:00 to 2024-12-27 21:00 UTC", text)
    assert re.search(r"Reproduce\s+pytest .*--model-archive=.* -n2", text)


def test_nothing_is_asked_of_the_network_and_nothing_goes_wrong(page: Watched, run: CheapRun) -> None:
    assert page.console == []
    assert page.requests == [(run.output / "report.html").as_uri()]


def test_a_name_that_wants_to_run_is_text(page: Watched) -> None:
    assert page.dialogs == []
    assert page.page.locator("h1").inner_text() == f"Model gate: {HOSTILE}_20241227_211819.zip"
    assert HOSTILE in page.page.locator("#mg-assumptions").inner_text()
    assert page.page.locator("#modelgate img, h1 *, title *").count() == 0
    assert page.page.locator('#modelgate script:not([type="application/json"])').count() == 0


def test_axe_finds_nothing_to_mend(whole: Watched) -> None:
    assert violations(whole) == []


def test_models_are_sorted_filtered_and_found(whole: Watched) -> None:
    page = whole.page
    page.get_by_role("button", name="Return").click()
    assert row_ids(whole)[0] == "wavusd_1hour"
    assert row_ids(whole)[-1] == "zedusd_1hour"  # without a figure: last, whichever way
    page.get_by_role("button", name="Return").click()
    assert row_ids(whole) == ["rndusd_1hour", "wavusd_1hour", "zedusd_1hour"]
    assert page.locator('th[aria-sort="ascending"]').inner_text().startswith("Return")
    page.get_by_role("button", name="DROP 2").click()
    assert row_ids(whole) == ["rndusd_1hour", "zedusd_1hour"]
    assert page.locator(".mg-shown").inner_text() == "2 of 3 shown"
    page.get_by_label("Find").fill("zed")
    assert row_ids(whole) == ["zedusd_1hour"]
    page.get_by_label("Find").fill("")
    page.get_by_role("button", name="All 3").click()
    page.get_by_role("button", name="Decision").click()
    assert row_ids(whole)[0] == "wavusd_1hour"


def test_a_row_leads_to_its_sheet(whole: Watched) -> None:
    whole.page.locator(".mg-models tbody a").first.click()

    whole.page.wait_for_function("hash => location.hash === hash", arg=f"#model-{WAV}")
    assert 0 <= whole.page.locator(f"#model-{WAV}").bounding_box()["y"] < 200  # type: ignore[index]


def growth(page: Watched) -> Any:
    plot = page.page.locator(f'#model-{WAV} [data-chart="growth"] .mg-plot')
    plot.scroll_into_view_if_needed()
    expect(plot).to_have_class(re.compile("mg-live-plot"))  # set up when it comes near
    return plot


def test_a_pointer_reads_values_drags_closer_and_goes_back(whole: Watched, run: CheapRun) -> None:
    plot = growth(whole)
    box = plot.bounding_box()
    model = next(model for model in run.verdict["models"] if model["id"] == WAV)
    whole.page.mouse.move(box["x"] + box["width"] * 549 / 560, box["y"] + 80)
    tip = plot.locator(".mg-tip")
    expect(tip).to_be_visible()
    assert "2024-12-27 21:00 UTC, fold 5" in tip.inner_text()
    assert f"model{100 * model['compounded_return']:+,.2f}\u00a0%" in tip.inner_text().replace("\n", "").replace(
        ",", ""
    )

    whole.page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 80)
    whole.page.mouse.down()
    whole.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 80, steps=3)
    whole.page.mouse.up()
    expect(plot).to_have_class(re.compile("mg-zoomed"))
    assert plot.locator(".mg-over path:visible").count() > 4
    plot.locator(".mg-reset").click()
    expect(plot).not_to_have_class(re.compile("mg-zoomed"))


def test_folds_unfold_and_lead_to_their_stretch_and_to_their_trades(whole: Watched) -> None:
    plot = growth(whole)
    fold = whole.page.locator(f"#model-{WAV} .mg-fold").nth(1)
    fold.locator("summary").click()
    assert "Sharpe ratio in noise units" in fold.inner_text()
    fold.get_by_role("button", name="Show fold 2 in the curves").click()
    expect(plot).to_have_class(re.compile("mg-zoomed"))
    expect(plot.locator(".mg-over text", has_text="fold 2")).to_be_visible()
    fold.locator(".mg-trades tbody tr").first.click()
    first = fold.locator(".mg-trades tbody td").first.inner_text()
    assert first[:4] == "2024"
    assert str(plot.locator(".mg-over text").last.text_content())[2:3] == "-"  # days and hours, as close as that
    fold.locator("summary").click()


def test_a_keyboard_does_all_of_it(whole: Watched) -> None:
    page, plot = whole.page, growth(whole)
    plot.locator("svg").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    said = plot.locator("[aria-live]")
    assert re.match(r"2024-12-27 .* UTC, fold 5: model \+", said.inner_text())
    page.keyboard.press("+")
    expect(plot).to_have_class(re.compile("mg-zoomed"))
    page.keyboard.press("0")
    expect(plot).not_to_have_class(re.compile("mg-zoomed"))
    page.locator(".mg-models thead button").first.focus()
    page.keyboard.press("Enter")
    assert row_ids(whole) == ["rndusd_1hour", "wavusd_1hour", "zedusd_1hour"]
    page.locator('[data-filter="PAPER"]').focus()
    page.keyboard.press("Space")
    assert row_ids(whole) == ["wavusd_1hour"]
    fold = page.locator(f"#model-{WAV} .mg-fold").first
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    row = fold.locator(".mg-trades tbody tr").first
    row.focus()
    page.keyboard.press("Enter")
    expect(plot).to_have_class(re.compile("mg-zoomed"))
    fold.locator("summary").click()


def test_every_picture_has_its_figures_as_a_table(page: Watched) -> None:
    figures = page.page.locator(".mg-sheet figure, .mg-together figure")

    rows = "all => all.map(figure => figure.querySelectorAll('details tbody tr').length)"
    assert figures.count() == 2 * 5 + 1
    assert min(figures.evaluate_all(rows)) >= 2


def test_the_tests_are_listed_when_somebody_asks_for_them(page: Watched) -> None:
    rows = page.page.locator("#results-table tbody.results-table-row")
    assert rows.count() == 0
    assert not page.page.locator("#results-table").is_visible()

    page.page.locator("#mg-tests > summary").click()
    expect(rows).to_have_count(TESTS)
    skipped = page.page.locator("#results-table tbody.skipped").count()
    assert skipped > 0
    page.page.locator('input[data-test-result="skipped"]').click()
    expect(rows).to_have_count(TESTS - skipped)
    page.page.locator('input[data-test-result="skipped"]').click()
    page.page.locator("#show_all_details").click()
    expect(page.page.locator("#results-table .extras-row:visible")).to_have_count(TESTS)
    logs = page.page.locator("#results-table .log").all_inner_texts()
    assert not any(text.startswith("(") or "/model_tests/" in text for text in logs)
    assert violations(page) == []
    assert page.console == []


def test_workers_send_the_properties_of_their_tests(run: CheapRun) -> None:
    cases = {str(case.get("name")): case for case in ET.parse(run.folder / "junit.xml").getroot().iter("testcase")}

    fold = {item.get("name"): item.get("value") for item in cases[f"test_fold[{WAV}-fold2of5]"].iter("property")}
    assert (fold["model"], fold["window"], fold["sample"]) == (WAV, "fold2of5", "unknown")


def test_a_narrow_screen_never_scrolls_sideways(chromium: Browser, run: CheapRun) -> None:
    with browser.opened(chromium, run.output / "report.html", width=400) as narrow:
        assert narrow.page.evaluate("document.documentElement.scrollWidth") == 400
        boxes = [svg.bounding_box() for svg in narrow.page.locator(".mg-plot svg:visible").all()]
        assert len(boxes) >= 11
        assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 400 for box in boxes)
        sentences = [words.bounding_box() for words in narrow.page.locator(f"#model-{WAV} .mg-words").all()]
        assert all(box and box["x"] + box["width"] <= 400 for box in sentences)


def test_without_scripts_everything_is_there(chromium: Browser, run: CheapRun) -> None:
    with browser.opened(chromium, run.output / "report.html", scripts=False) as still:
        page = still.page
        assert page.locator(".mg-plot svg:visible").count() == 2 * 5 + 1
        assert page.locator(".mg-models tbody tr:visible").count() == 3
        assert not page.locator(".mg-tools").is_visible()
        fold = page.locator(f"#model-{WAV} .mg-fold").first
        fold.locator("summary").click()
        expect(fold.locator(".mg-trades tbody tr").first).to_be_visible()
        page.locator(f"#model-{WAV} .mg-data summary").first.click()
        expect(page.locator(f"#model-{WAV} .mg-data tbody tr").first).to_be_visible()


def test_print_is_light_takes_two_pages_a_model_and_has_a_place_to_sign(chromium: Browser, run: CheapRun) -> None:
    with browser.opened(chromium, run.output / "report.html", scheme="dark") as printed:
        page = printed.page
        pages = len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator(".mg-plot svg:visible").count() == 2 * 5 + 1
        assert page.locator(".mg-sign").is_visible()
        assert not page.locator("#mg-tests, .mg-tools, .mg-files").first.is_visible()
        assert pages <= 2 + 2 * 2 + 2  # first screen, two sheets, what closes


def test_sheets_of_many_models_unfold_where_a_row_leads(
    chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_page, "_OPEN", 0)
    file = tmp_path / "page.html"
    models = [factory.judged(symbol, drift=0.0008) for symbol in ("UNIUSD", "ETHUSD")]
    file.write_text("".join(report_page.document(factory.facts_of(models))), encoding="utf-8")

    with browser.opened(chromium, file) as many:
        page = many.page
        assert page.locator(".mg-sheet svg").count() == 0
        page.get_by_role("link", name="UNIUSD", exact=True).click()
        expect(page.locator("#model-UNIUSD_1Hour .mg-plot svg").first).to_be_visible()
        assert page.locator("#model-ETHUSD_1Hour .mg-plot").count() == 0
        page.locator("#model-UNIUSD_1Hour .mg-fold summary").first.click()
        page.locator("#model-UNIUSD_1Hour .mg-zoom:visible").click()
        expect(page.locator('#model-UNIUSD_1Hour [data-chart="growth"] .mg-zoomed')).to_be_visible()
        assert many.console == []
    with browser.opened(chromium, file, scripts=False) as still:
        still.page.locator("#model-ETHUSD_1Hour > summary").click()
        assert still.page.locator("#model-ETHUSD_1Hour .mg-plot svg:visible").count() == 5
