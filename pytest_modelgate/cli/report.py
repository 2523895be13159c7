"""``modelgate report``: the page again, from a verdict and the evidence beside it; nothing is evaluated."""

from __future__ import annotations

import argparse
import html
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_modelgate.errors import PromotionError
from pytest_modelgate.text import shell_command, terminal_safe

_FILES = ("cassettes", "profile", "ledger", "champion", "paper", "waivers")
_DONE = (0, 1)  # pytest's exit status when models were judged


def add_report(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("verdict", type=Path, help="verdict.json of a run, with its evidence/ beside it")
    archive = "the archive that was judged (default: the one of that name, here or beside the verdict's folder)"
    parser.add_argument("--archive", type=Path, metavar="X.zip", help=archive)
    out = "where the page goes (default: report.html beside the verdict)"
    parser.add_argument("--out", type=Path, metavar="FILE.html", help=out)
    helps = {
        "cassettes": ("DIR", "folder of the market data that was judged (default: cassettes)"),
        "profile": ("FILE.toml", "the profile it was judged by (default: the built-in one that the verdict names)"),
        "ledger": ("FILE", "the ledger that counted, as it was then (default: none)"),
        "champion": ("DIR|JSON", "what was deployed then (default: none)"),
        "paper": ("DIR", "what an account traded then (default: none)"),
        "waivers": ("FILE.toml", "what was waived (default: none)"),
    }
    for name in _FILES:
        metavar, about = helps[name]
        parser.add_argument(f"--{name}", metavar=metavar, help=about)
    parser.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    """Write the page, or raise; 0 when it says what the verdict says."""
    from pytest_modelgate.adapters.files.atomic import write_atomically
    from pytest_modelgate.adapters.verdict.reader import read_verdict
    from pytest_modelgate.report.further import further_files
    from pytest_modelgate.services.redrawing import archive_of, check_same, repeated_options

    verdict = read_verdict(options.verdict)
    archive = options.archive or archive_of(verdict, options.verdict)
    own = {name: getattr(options, name) for name in _FILES if getattr(options, name) is not None}
    words = repeated_options(verdict, own)
    target: Path = options.out or options.verdict.parent / "report.html"
    evidence = options.verdict.parent / "evidence"
    with TemporaryDirectory(prefix="modelgate-report-") as folder:
        page = Path(folder, target.name)
        _merge(archive, words, evidence, page, location := f"verdict {options.verdict}")
        check_same(location, verdict, read_verdict(Path(folder, "verdict.json")), own)
        if not page.exists():
            raise PromotionError(location, "no page was written", "Let pytest-html and pytest-metadata be in force")
        try:
            for path in further_files(page):
                write_atomically(target.with_name(path.name), path.read_bytes())
            write_atomically(target, page_naming(options.verdict, page))
        except OSError as error:
            problem = f"cannot be written: {error.strerror}"
            raise PromotionError(str(target), problem, "Name a file with --out") from None
    print(f"report: {terminal_safe(str(target))}")
    return 0


def page_naming(verdict: Path, page: Path) -> bytes:
    """The page, whose commands name the verdict that was given: the one beside the page is gone when it is read."""
    given = html.escape(shell_command([str(verdict)]))
    return page.read_bytes().replace(str(page.with_name("verdict.json")).encode(), given.encode())


def _merge(archive: Path, words: Sequence[str], evidence: Path, page: Path, location: str) -> None:
    """Decide from evidence, as the gate does, without the project's own tests and options for running them.

    Raises:
        PromotionError: pytest came to no end; its words are on standard error.
    """
    here = ["-o", "addopts=", "-p", "no:cacheprovider", "-q"]
    here += [f"--gate-evidence={evidence}", "--gate-merge", f"--gate-output={page.parent}"]
    here += [f"--html={page}", "--self-contained-html"]
    command = [sys.executable, "-m", "pytest", "model_tests", f"--model-archive={archive}", *words]
    environment = os.environ | {"PYTEST_ADDOPTS": shlex.join(here)}
    run = subprocess.run(command, env=environment, capture_output=True, check=False)  # noqa: S603 - no shell
    if run.returncode not in _DONE:
        print(_last_lines((run.stdout + run.stderr).decode(errors="replace")), file=sys.stderr)
        problem = f"its evidence could not be read again: pytest ended with {run.returncode}"
        raise PromotionError(location, problem, "Mend what pytest says above, then call this again")


def _last_lines(text: str) -> str:
    """The last lines of what another program said, fit for any terminal."""
    return "\n".join(map(terminal_safe, text.splitlines()[-20:]))
