"""Beside other plugins the gate says the same: one digest, one exit status. What is not installed is skipped.

`make plugins` installs them all into an environment of its own.
"""

from collections.abc import Callable
from importlib.util import find_spec

import pytest
from support.cheap_runs import CheapRun

pytestmark = pytest.mark.long

COVERED = "--cov=pytest_modelgate.core.backtest.metrics"
OPTIONS = {  # by module; those that cheap runs leave out are named after the bar, as pytest calls them
    "xdist": "-n2 --dist=load",
    "xdist|worksteal": "-n2 --dist=worksteal",
    "allure_pytest": "--alluredir=allure",
    "anyio": "",
    "pytest_asyncio": "",
    "pytest_benchmark": "--benchmark-disable",
    "pytest_check": "",
    "pytest_clarity": "",
    "pytest_cov": f"{COVERED} --cov-report=",
    "pytest_custom_exit_code": "--suppress-no-test-exit-code",
    "pytest_datadir": "",
    "pytest_dependency": "",
    "pytest_describe": "",
    "pytest_env": "",
    "pytest_instafail": "--instafail",
    "pytest_jsonreport": "--json-report --json-report-file=tests.json",
    "pytest_md": "--md=tests.md",
    "pytest_mock": "",
    "pytest_order": "--order-scope=module",
    "pytest_picked": "",
    "pytest_print": "",
    "pytest_profiling": "",
    "pytest_randomly": "-p randomly -p no:cacheprovider",
    "pytest_recording": "--block-network",
    "pytest_repeat": "--count=1",
    "pytest_reportlog": "--report-log=tests.jsonl",
    "pytest_rerunfailures": "--reruns=1 --only-rerun=OSError",
    "pytest_rich": "--rich",
    "pytest_socket": "--disable-socket --allow-unix-socket",
    "pytest_split": "--splits=1 --group=1",
    "pytest_sugar": "",
    "testmon": "--testmon",
    "pytest_timeout": "--timeout=300",
    "syrupy": "",
    "teamcity": "--teamcity",
}
PLUGINS = {
    "pytest_cov": "pytest_cov",
    "pytest_randomly": "randomly",
    "pytest_rerunfailures": "rerunfailures",
    "pytest_timeout": "timeout",
}
TOGETHER = ("pytest_cov", "pytest_randomly", "pytest_rerunfailures", "pytest_timeout", "pytest_sugar", "allure_pytest")


@pytest.mark.parametrize("neighbour", OPTIONS)
def test_a_neighbour_changes_nothing(cheap: Callable[..., CheapRun], reference: CheapRun, neighbour: str) -> None:
    module = neighbour.partition("|")[0]
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    workers = () if module == "xdist" else ("-n0",)

    run = cheap(*workers, *OPTIONS[neighbour].split(), plugins=(PLUGINS.get(module, ""),))

    assert (run.digest, run.ret) == (reference.digest, reference.ret), run.text
    assert run.junit == reference.junit


@pytest.mark.parametrize("mode", ["loadscope", "loadfile", "loadgroup", "each"])
def test_modes_of_xdist_that_can_lose_tests_are_refused(cheap: Callable[..., CheapRun], mode: str) -> None:
    run = cheap("-n2", f"--dist={mode}")

    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: --dist {mode}: " in run.text


def test_many_at_once(cheap: Callable[..., CheapRun], reference: CheapRun) -> None:
    present = [module for module in TOGETHER if find_spec(module)]
    options = [option for module in present for option in OPTIONS[module].split()]

    run = cheap("-n2", *options, plugins=tuple(PLUGINS.values()))

    assert (run.digest, run.ret) == (reference.digest, reference.ret), run.text
