"""A file from the web that has to be the one expected, and facts about a workflow's run from GitHub's API."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pytest_modelgate.errors import ArchiveError, SettingsError

_CHUNK = 1024 * 1024
_TIMEOUT_S = 60.0
_MOST = 16 * 1024 * 1024 * 1024  # bytes of an archive
_MOST_ANSWER = 16 * 1024 * 1024  # bytes of an answer of the API
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.(?:zip|tar|tar\.gz|tgz)")
_LOCAL = ("127.0.0.1", "localhost")


def fetch(url: str, sha256: str, folder: Path, authorization: str = "") -> Path:
    """Fetch an archive, under the last part of its address, if it is the one expected.

    Args:
        url: https; whatever follows a ``?`` may be a signature, and is never shown.
        authorization: header of that name, sent to that host alone.

    Returns:
        The file.

    Raises:
        SettingsError: the address is none of https, or does not end in a plain name of an archive.
        ArchiveError: it cannot be fetched, is too large, or is another one; nothing is left behind.
    """
    _check_address(url)
    parts = urlsplit(url)
    name = unquote(parts.path).rpartition("/")[2]
    if not _NAME.fullmatch(name):
        problem = "the last part of the address is no plain name of an archive, expected such as X_20241227_211819.zip"
        raise SettingsError("the archive's address", problem, "Give the object the name of its archive")
    where, path = f"archive {name} of {parts.hostname}", folder / name
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.{secrets.token_hex(8)}.tmp"
    headers = {"Authorization": authorization} if authorization else {}
    try:
        with _open(Request(url, headers=headers), where) as answer, temporary.open("xb") as file:  # noqa: S310 - https
            found = _copy(answer, file, where)
        if found != sha256:
            problem = f"has sha256 {found[:12]}..., expected {sha256[:12]}..."
            raise ArchiveError(where, problem, "Give the sha256 of the archive that is to be judged, or upload it anew")
        temporary.replace(path)
    except HTTPException as error:  # such as an answer that ends before its last chunk
        raise ArchiveError(where, f"came in part: {type(error).__name__}", "Try again, or look there") from None
    except OSError as error:
        raise ArchiveError(where, f"cannot be fetched: {error.strerror or error}", "Try again, or look there") from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


def ask_github(
    path: str, environment: Mapping[str, str], content: Mapping[str, object] | None = None, method: str = "GET"
) -> Any:  # noqa: ANN401 - whatever JSON the API answers
    """Answer of GitHub's API about this repository.

    Args:
        path: behind ``/repos/OWNER/NAME``.
        environment: of the step: ``GITHUB_API_URL``, ``GITHUB_REPOSITORY``, and ``GH_TOKEN``.
        content: what it is told, where the method is one that tells.

    Raises:
        SettingsError: it does not answer with JSON.
    """
    where = f"GitHub's API, {path}"
    repository, token = environment.get("GITHUB_REPOSITORY", ""), environment.get("GH_TOKEN", "")
    url = f"{environment.get('GITHUB_API_URL', 'https://api.github.com')}/repos/{repository}{path}"
    _check_address(url)
    headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {token}"}
    data = None if content is None else json.dumps(content).encode()
    try:
        with _open(Request(url, data, headers, method=method), where) as answer:  # noqa: S310 - https
            return json.loads(answer.read(_MOST_ANSWER))
    except (ArchiveError, OSError, HTTPException, ValueError) as error:
        problem = error.problem if isinstance(error, ArchiveError) else "cannot be read"
        what = "may read actions" if content is None else "may write issues"
        raise SettingsError(where, problem, f"Check run-id, and that the job {what}") from None


class _Redirects(HTTPRedirectHandler):
    """Follows to https alone, and keeps what authorizes to itself where another host is meant."""

    def redirect_request(  # noqa: PLR0917 - the base class's signature
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,  # noqa: ANN401
        newurl: str,
    ) -> Request | None:
        """As the base class does."""
        _check_address(newurl)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            request.headers.pop("Authorization", None)
        return request


def _open(request: Request, where: str) -> Any:  # noqa: ANN401 - urllib publishes no type for its answers
    try:
        return build_opener(_Redirects).open(request, timeout=_TIMEOUT_S)
    except HTTPError as error:
        raise ArchiveError(where, f"is answered with status {error.code}", "Check the address and the rights") from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise ArchiveError(where, f"cannot be reached: {reason}", "Check the address and the network") from None


def _copy(source: Any, target: IO[bytes], where: str) -> str:  # noqa: ANN401 - as above
    """Copy all of an answer; its sha256."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        size += len(chunk)
        if size > _MOST:
            raise ArchiveError(where, f"is larger than {_MOST} bytes", "Split the archive")
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest()


def _check_address(url: str) -> None:
    """Refuse whatever is not https, this machine apart."""
    try:
        parts = urlsplit(url)
    except ValueError:  # such as half an IPv6 address; its text may hold a signature
        raise SettingsError("the archive's address", "cannot be read as one", "Correct it") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        problem = f"begins with {parts.scheme[:20]!a}, expected https"
        raise SettingsError("the archive's address", problem, "Use an address of https; object stores sign such")
