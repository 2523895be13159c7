"""What pytest does not publish is touched in one file, and is missed in one sentence."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_modelgate.plugin import pytest_privates

PLUGIN = Path(pytest_privates.__file__).parent
PRIVATE = re.compile(r"\b_pytest\b|SLF001|\b(?:config|metafunc|parser|reporter|request|session)\._\w+")


def test_no_other_file_touches_them() -> None:
    touching = {path.name for path in PLUGIN.rglob("*.py") if PRIVATE.search(path.read_text(encoding="utf-8"))}

    assert touching == {Path(pytest_privates.__file__).name}


def test_this_pytest_has_them(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nminversion = 1\nmarkers = slow: what takes long\n")
    config = pytester.parseconfig()
    config.getini("markers")
    root, file, values = pytest_privates.find_setup(
        {"inifile": None, "override_ini": None, "args": [], "rootdir_cmd_arg": None, "invocation_dir": pytester.path}
    )

    pytest_privates.check_requirements(config)
    assert (root, file, dict(values)) == (config.rootpath, config.inipath, dict(pytest_privates.values_of(config)))
    assert "markers" in pytest_privates.asked_for(config)
    pytest_privates.put_in_force(config, root.parent, None, {})
    assert (config.rootpath, config.inipath, config.getini("markers")) == (root.parent, None, [])


def test_one_that_is_missing_is_told_in_a_sentence() -> None:
    metafunc: Any = SimpleNamespace(definition=SimpleNamespace())

    with pytest.raises(pytest.UsageError, match=rf"pytest {re.escape(pytest.__version__)} has no _fixtureinfo where"):
        pytest_privates.fixtures_of(metafunc)
