"""Values of options are no test paths: nothing is configured, loaded or collected from where they point."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import cheap_runs
from support.cheap_runs import CheapRun
from support.option_registry import registered

PATHS = {
    name: placeholder
    for name, placeholder in registered().placeholders.items()
    if any(word in placeholder for word in ("PATH", "DIR", "FILE", "JSON"))
}
TERMS = "[pytest]\ngate_profile = strict\ngate_require = live\n"
KINDER = "gate_profile = 2.4.5\ngate_require = paper\n"
HARMLESS = {
    "nothing": {},
    "terms": {"pytest.ini": f"[pytest]\n{KINDER}"},
    "terms in tox.ini": {"tox.ini": f"[pytest]\n{KINDER}testpaths = model_tests\n"},
    "a package": {"pyproject.toml": "[project]\nname = 'other'\n", "setup.py": ""},
}
ACTED_ON = {
    "addopts": {"pytest.ini": f"[pytest]\naddopts = --gate-require=paper\n{KINDER}"},
    "pythonpath": {"pyproject.toml": "[tool.pytest.ini_options]\npythonpath = '.'\n"},
}


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that whoever is loaded from elsewhere writes."""
    return tmp_path / "marker"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without configuration, and the current one."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path, marker: Path) -> Path:
    """A folder that is not the project's, with code in it."""
    folder = tmp_path / "downloads"
    suite = folder / "model_tests"
    suite.mkdir(parents=True)
    loaded = f"open({str(marker)!r}, 'w').close()\n"
    for file in (folder / "conftest.py", suite / "conftest.py", suite / "test_decision.py"):
        file.write_text(f"{loaded}def test_passes(): pass\n")
    return folder


@pytest.fixture
def parse(pytester: pytest.Pytester, project: Path) -> Iterator[Callable[..., pytest.Config]]:
    """What pytest makes of a command line, up to the point where the archive would be read."""
    modules = set(sys.modules)
    assert Path.cwd() == project
    yield pytester.parseconfig
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)


def place(elsewhere: Path, option: str) -> Path:
    """What an option points to, outside of the project."""
    path = elsewhere / "place"
    if PATHS[option].startswith("DIR"):
        path.mkdir()
        return path
    path = path.with_suffix(".toml" if PATHS[option].endswith(".toml") else ".zip")
    path.touch()
    return path


def spell(option: str, value: str, *, apart: bool) -> list[str]:
    words = [option, value] if apart else [f"{option}={value}"]
    return words if option == "--model-archive" else ["--model-archive=X.zip", *words]


def terms(config: pytest.Config) -> tuple[Path, Path | None, str | None, str | None]:
    return config.rootpath, config.inipath, config.getini("gate_profile"), config.getini("gate_require")


def test_every_option_that_takes_a_path_is_tried() -> None:
    assert {"--model-archive", "--gate-output", "--gate-cassettes", "--gate-evidence", "--gate-ledger"} <= set(PATHS)


@pytest.mark.parametrize("apart", [True, False], ids=["space", "equals"])
@pytest.mark.parametrize("neighbours", HARMLESS)
@pytest.mark.parametrize("option", PATHS)
@pytest.mark.parametrize("configured", [True, False], ids=["configured", "bare"])
def test_the_project_is_in_force_wherever_an_option_points(
    parse: Callable[..., pytest.Config],
    project: Path,
    elsewhere: Path,
    marker: Path,
    *,
    option: str,
    neighbours: str,
    apart: bool,
    configured: bool,
) -> None:
    write(elsewhere, HARMLESS[neighbours])
    if configured:
        write(project, {"pytest.ini": TERMS})
    path = place(elsewhere, option)

    config = parse(*spell(option, str(path), apart=apart))

    told = ("strict", "live") if configured else (None, None)
    assert terms(config) == (project, project / "pytest.ini" if configured else None, *told)
    assert config.known_args_namespace.confcutdir == str(project)
    assert not marker.exists()


@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
@pytest.mark.parametrize("neighbours", ACTED_ON)
@pytest.mark.parametrize("option", PATHS)
def test_what_pytest_acted_on_is_refused_by_the_name_of_the_option(
    parse: Callable[..., pytest.Config],
    project: Path,
    elsewhere: Path,
    marker: Path,
    *,
    option: str,
    neighbours: str,
    relative: bool,
) -> None:
    write(elsewhere, ACTED_ON[neighbours])
    write(project, {"pytest.ini": TERMS})
    path = place(elsewhere, option)
    value = str(Path("..") / path.relative_to(project.parent)) if relative else str(path)

    with pytest.raises(pytest.UsageError) as refusal:
        parse(*spell(option, value, apart=True))

    assert str(refusal.value) == (
        f"{option} {value}: pytest took it for a test path, and read {elsewhere / next(iter(ACTED_ON[neighbours]))} "
        f"instead of {project / 'pytest.ini'}. Write {option}={value}, with an equals sign."
    )
    assert not marker.exists()
    assert terms(parse(*spell(option, value, apart=False))) == (project, project / "pytest.ini", "strict", "live")


def test_a_project_that_pytest_overlooked_is_put_in_force(
    parse: Callable[..., pytest.Config], project: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acted_on = "addopts = -v -p early --gate-folds=3\npythonpath = lib\nminversion = 8.0\nfilterwarnings = error\n"
    write(project, {"pytest.ini": f"{TERMS}{acted_on}"})
    (project / "lib").mkdir()
    (project / "early.py").write_text("def pytest_addoption(parser): parser.addoption('--early')\n")
    monkeypatch.syspath_prepend(project)
    monkeypatch.setattr(sys, "path", [*sys.path])
    place(elsewhere, "--gate-cassettes")

    config = parse("--model-archive=X.zip", "--gate-cassettes", str(elsewhere / "place"), "--early", "it")

    assert terms(config) == (project, project / "pytest.ini", "strict", "live")
    assert (config.option.verbose, config.option.gate_folds, config.option.early) == (1, 3, "it")
    assert str(project / "lib") in sys.path


def test_what_the_overlooked_project_demands_is_demanded(
    parse: Callable[..., pytest.Config], project: Path, elsewhere: Path
) -> None:
    write(project, {"pytest.ini": f"{TERMS}minversion = 99\n"})

    with pytest.raises(pytest.UsageError, match="requires pytest-99"):
        parse("--model-archive=X.zip", "--gate-cassettes", str(elsewhere))


def test_a_project_that_another_plugin_has_missed_is_refused(
    parse: Callable[..., pytest.Config], project: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = "import pytest\ndef pytest_addoption(parser): parser.addini('hasty', 'read at once')\n"
    hook = "@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef pytest_load_initial_conftests(early_config):\n"
    (project / "hasty.py").write_text(f"{hasty}{hook}    early_config.getini('hasty')\n    return (yield)\n")
    monkeypatch.syspath_prepend(project)
    write(project, {"pytest.ini": f"{TERMS}hasty = yes\n"})

    with pytest.raises(pytest.UsageError, match=r"^--gate-cassettes .* read no configuration instead of .*pytest\.ini"):
        parse("-p", "hasty", "--model-archive=X.zip", "--gate-cassettes", str(elsewhere))


def test_paths_inside_of_the_project_are_no_matter(parse: Callable[..., pytest.Config], project: Path) -> None:
    write(project, {"pytest.ini": f"{TERMS}addopts = -v\npythonpath = .\n"})
    (project / "out" / "deep").mkdir(parents=True)

    config = parse("--model-archive", "X.zip", "--gate-output", "out/deep", "--gate-cassettes", str(project / "out"))

    assert terms(config) == (project, project / "pytest.ini", "strict", "live")


def test_of_two_options_the_one_that_did_it_is_named(
    parse: Callable[..., pytest.Config], project: Path, elsewhere: Path
) -> None:
    write(project, {"pytest.ini": TERMS, "X.zip": ""})
    write(elsewhere, ACTED_ON["addopts"])

    with pytest.raises(pytest.UsageError, match=rf"^--gate-output {elsewhere}: .*Write --gate-output={elsewhere}, "):
        parse("--gate-output", str(elsewhere), "--model-archive", "X.zip")


def test_what_the_environment_adds_is_read_alike(
    parse: Callable[..., pytest.Config], elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(elsewhere, ACTED_ON["addopts"])
    monkeypatch.setenv("PYTEST_ADDOPTS", f"--gate-evidence {elsewhere}")

    with pytest.raises(pytest.UsageError, match=f"^--gate-evidence {elsewhere}: "):
        parse("--model-archive=X.zip")


def test_tests_that_are_named_decide_where_the_project_is(
    parse: Callable[..., pytest.Config], elsewhere: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write(other, {"pytest.ini": f"{TERMS}addopts = -v\n", "test_it.py": ""})

    config = parse("--model-archive", str(elsewhere / "X.zip"), str(other / "test_it.py"))

    assert terms(config) == (other, other / "pytest.ini", "strict", "live")


def test_a_configuration_that_is_named_holds(
    parse: Callable[..., pytest.Config], project: Path, elsewhere: Path
) -> None:
    write(project, {"own.ini": f"{TERMS}addopts = -v\n"})
    write(elsewhere, ACTED_ON["addopts"])

    config = parse("-c", "own.ini", "--model-archive", str(elsewhere))

    assert terms(config) == (project, project / "own.ini", "strict", "live")


def test_what_is_overridden_stays_so(parse: Callable[..., pytest.Config], project: Path, elsewhere: Path) -> None:
    write(project, {"pytest.ini": TERMS})

    config = parse("--model-archive", str(elsewhere), "-o", "gate_require=paper", "-o", "filterwarnings=error")

    assert terms(config) == (project, project / "pytest.ini", "strict", "paper")


@pytest.mark.parametrize("others", ["", "addopts = -v\n"])
def test_another_plugins_option_is_its_own_affair(
    parse: Callable[..., pytest.Config], project: Path, elsewhere: Path, others: str
) -> None:
    write(project, {"pytest.ini": f"[pytest]\n{others}"})
    write(elsewhere, {"page.html": ""})

    assert parse("--model-archive=X.zip", "--html", str(elsewhere / "page.html")).rootpath == project.parent


def test_another_plugins_option_cannot_change_the_terms(
    parse: Callable[..., pytest.Config], project: Path, elsewhere: Path
) -> None:
    page = str(elsewhere / "page.html")
    write(elsewhere, {"page.html": ""})
    write(project, {"pytest.ini": TERMS})
    assert terms(parse("--model-archive=X.zip", "--html", page))[2:] == ("strict", "live")

    write(elsewhere, ACTED_ON["addopts"])
    with pytest.raises(pytest.UsageError, match=f"^--html {page}: "):
        parse("--model-archive=X.zip", f"--gate-output={elsewhere}", "--html", page)


def test_without_an_archive_nothing_is_anybodys_affair(parse: Callable[..., pytest.Config], elsewhere: Path) -> None:
    write(elsewhere, ACTED_ON["addopts"])

    assert parse("--gate-output", str(elsewhere)).rootpath == elsewhere


@pytest.mark.long
def test_workers_are_under_the_same_terms(
    cheap: Callable[..., CheapRun], tmp_path: Path, elsewhere: Path, marker: Path
) -> None:
    write(tmp_path, {"pytest.ini": TERMS})
    write(elsewhere, HARMLESS["terms"])

    run = cheap("-n2", "--gate-cassettes", str(elsewhere), "--gate-evidence", str(elsewhere))

    assert run.ret == 1
    assert (run.verdict["profile"]["name"], run.verdict["settings"]["require"]) == ("strict", "LIVE")
    assert not marker.exists()
    assert len(run.outcomes) == 3 * cheap_runs.TESTS_PER_MODEL


def test_a_plugin_that_pytest_loads_first_is_refused_afterwards(
    cheap: Callable[..., CheapRun], tmp_path: Path, elsewhere: Path, marker: Path
) -> None:
    write(elsewhere, {"pytest.ini": "[pytest]\naddopts = -p early\npythonpath = .\n", "early.py": "", "X.zip": ""})
    write(tmp_path, {"pytest.ini": TERMS})

    run = cheap("--model-archive", str(elsewhere / "X.zip"))

    assert run.ret == 4
    assert f"Write --model-archive={elsewhere / 'X.zip'}, with an equals sign." in run.text
    assert not run.output.exists()
    assert not marker.exists()
