"""What stands in one place only, and what the package must carry."""

import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def test_the_plugin_is_found_by_pytest() -> None:
    (entry,) = entry_points(group="pytest11", name="modelgate")

    assert entry.value == "pytest_modelgate.plugin"


def test_tested_versions_satisfy_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = dict(
        line.lower().replace("_", "-").split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )

    for text in project["dependencies"] + project["optional-dependencies"]["torch"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pinned[requirement.name.lower().replace("_", "-")]), text
    assert pinned["torch"] == "2.13.0"


def test_every_pin_but_torch_has_hashes() -> None:
    """`make lock` renews them."""
    locked = (ROOT / "requirements.lock").read_text().lower().replace("\\\n", "")
    found = {}
    for line in locked.splitlines():
        if match := re.match(r"([a-z0-9.-]+)==([^ ;]+)", line):
            assert "--hash=sha256:" in line, line
            found[match[1]] = match[2]
    pins = (ROOT / "constraints.txt").read_text().lower().replace("_", "-").split()
    pinned = dict(pin.split("==") for pin in pins if not pin.startswith("torch=="))
    assert {name: found.get(name) for name in pinned} == pinned
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    del groups["bench"], groups["sb3"], groups["torch"]  # which nobody has to install; whose files differ by index
    wanted = [Requirement(entry).name for group in groups.values() for entry in group if isinstance(entry, str)]
    assert {name.lower().replace("_", "-") for name in wanted} <= found.keys()


def test_commits_are_checked_by_what_make_check_runs() -> None:
    makefile = (ROOT / "Makefile").read_text()
    steps = [name for name in makefile.partition("\ncheck: ")[2].splitlines()[0].split() if name != "package"]
    recipes = [makefile.partition(f"\n{name}: $(STAMP)\n")[2].partition("\n\n")[0] for name in steps]
    commands = [re.sub(r"^.*?\$\(BIN\)/(?=[a-z])", "", line) for recipe in recipes for line in recipe.splitlines()]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]

    assert sorted(re.sub(r"^bash -c '(.*)'$", r"\1", hook["entry"]) for hook in hooks) == sorted(commands)
    assert len(steps) == 5


def test_the_projects_address_is_the_same_wherever_it_is_written() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    address = re.compile(r"github\.com/([\w.-]+/pytest-modelgate)\b")
    pages = [
        "*.md",
        "docs/*.md",
        "examples/**/*.md",
        "pyproject.toml",
        "mkdocs.yml",
        ".github/**/*.yml",
        "examples/consumer/**/*.yml",
    ]
    mentions = {
        match[1] for page in pages for path in ROOT.glob(page) for match in address.finditer(path.read_text("utf-8"))
    }

    (ours,) = set(address.findall(project["urls"]["Homepage"]))
    assert mentions == {ours}
    assert all(url.startswith(project["urls"]["Homepage"]) for url in project["urls"].values())


def test_the_changelog_begins_with_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    released = re.search(r"^## \[([0-9.]+)\] - \d{4}-\d{2}-\d{2}$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert released
    assert released[1] == project["version"]
