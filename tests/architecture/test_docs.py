"""The documentation names files and tests that exist."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pytest_modelgate import CLOSE, GENERATIONS, HOLD, Declared, Order, PolicyFile
from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.cli.main import main, make_parser

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("examples/**/README.md"),
    ROOT / "cassettes/README.md",
]
PLACES = [ROOT, ROOT / "pytest_modelgate", ROOT / "tests", ROOT / "examples"]
_FILE = re.compile(r"`(?:python )?([\w.-]+(?:/[\w.-]+)+\.py|test_\w+\.py)\b[^`\n]*`")
_TEST = re.compile(r"`(?:[\w/]+/)?(test_\w+)`")
_LINK = re.compile(r"\]\(([^)#:]+)\)")


def named(pattern: re.Pattern[str], page: Path) -> set[str]:
    return set(pattern.findall(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_file_that_a_page_names_or_links_to_exists(page: Path) -> None:
    assert not [
        name for name in named(_FILE, page) if not any((place / name).exists() for place in [*PLACES, page.parent])
    ]
    assert not [link for link in named(_LINK, page) if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_test_that_a_page_names_exists(page: Path) -> None:
    sources = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("model_tests/*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)

    assert not [name for name in named(_TEST, page) if f"def {name}(" not in code]


def test_the_threat_model_names_a_test_for_every_requirement() -> None:
    text = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \|.*\| ([^|]*) \|$", text, re.MULTILINE)

    assert len(rows) >= 11
    assert all(_FILE.search(row) for row in rows)


def test_the_page_of_profiles_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profiles"]) == 0

    block = re.findall(r"(?:^    .*\n)+", (ROOT / "docs/profiles.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.sub(r"^    ", "", block[0], flags=re.MULTILINE) == capsys.readouterr().out


def test_the_page_of_commands_lists_every_command() -> None:
    documented = set(re.findall(r"^\| `modelgate (\w+)", (ROOT / "docs/commands.md").read_text("utf-8"), re.MULTILINE))
    (commands,) = (
        action.choices for action in make_parser()._actions if action.dest == "==SUPPRESS==" or action.choices
    )

    assert documented == set(commands or ())


def test_every_page_is_in_the_sites_navigation() -> None:
    listed = set(re.findall(r"([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))

    assert listed == {path.name for path in ROOT.glob("docs/*.md")}


def test_the_readme_is_a_front_door_and_no_manual() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110


def test_sizes_of_orders_are_those_of_the_default_profile() -> None:
    text = (ROOT / "docs/archive.md").read_text(encoding="utf-8")
    trading = load_profile("2.4.5").trading
    _, buy, _ = GENERATIONS[0].actions
    assert isinstance(buy, Order)
    step = 100 * buy.size * trading.position_size * (1 - trading.cash_buffer)
    cap = 100 * trading.max_position

    assert f"buys for {step:g} % of equity" in text
    assert f"Six in a row hold {6 * step:g} %; the seventh would pass the cap of {cap:g} %" in text
    assert 6 * step <= cap < 7 * step


def test_the_example_of_validation_metrics_works() -> None:
    text = (ROOT / "docs/archive.md").read_text(encoding="utf-8")
    (example,) = (
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "validation_metrics" in block
    )
    names: dict[str, Any] = {}

    exec(example, names)

    assert names["history"]["consistency"] == [1.0]
    assert names["history"]["profit_factor"] == [10.0]


def test_what_the_page_for_other_trainers_shows_would_be_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")  # what it shows makes a network
    text = (ROOT / "docs/your-policy.md").read_text(encoding="utf-8")
    conftest, packing, writing, registering = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "mine.toml").write_text(re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    features: dict[str, Any] = {}
    exec(conftest, features)
    exec(f"{packing}\n{writing}", {})
    (archive,) = tmp_path.glob("*.zip")

    assert main(["check", str(archive), "--profile", "mine.toml"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"parity +proven", told)
    assert re.search(r"actions +HOLD, TARGET_100, CLOSE", told)
    assert load_profile("mine.toml").trading.max_position == 1.0
    (made,) = features["pytest_modelgate_feature_sets"]().values()
    close = pd.Series(range(1, 50), pd.date_range(datetime(2024, 1, 1, tzinfo=UTC), periods=49, freq="h"), dtype=float)
    assert tuple(made.compute(pd.DataFrame({"close": close})).columns) == made.columns
    assert f"n_features={len(made.columns) + 1}" in packing
    own: dict[str, Any] = {}
    exec(registering, own)
    (form,) = own["pytest_modelgate_policies"]()
    layers = [{"weight": [[1.0, 0.0, 0.0, 0.0]], "bias": [0.0]}, {"weight": [[1.0], [-1.0]], "bias": [0.0, 0.0]}]
    (tmp_path / "x.weights").write_text(json.dumps(layers), encoding="utf-8")
    said = Declared(actions=(HOLD, CLOSE), feature_set="mine-v1")
    assert form.read(PolicyFile(tmp_path / "x.weights", "x.weights", "x", said)).policy.n_market == len(made.columns)
