"""Bring one file over HTTP to its place, verified or not at all, in bounded time and size.

pooch owns the temporary file, the comparison of the hash and the move (it deletes the temporary on
any failure, Ctrl-C included). What it lacks is here: a limit on size, a limit on the whole
duration (its own timeout starts again with every byte), and causes in one line.
"""

from __future__ import annotations

import contextlib
import hashlib
import http
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from roi_accel.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import Response

    Advance = Callable[[int, int | None], None]
    """Called with the bytes received so far and the total, None where the server did not say."""

_CHUNK = 64 * 1024
_INSTALL = 'pip install "roi-accel[cpu]"'


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much patience a download gets; every number has to be positive.

    Attributes
    ----------
    connect_seconds : float
        To reach the server.
    silence_seconds : float
        Without a byte from it.
    total_seconds : float
        For the whole file, so that a trickle ends too.
    max_bytes : int
        More than this is refused, before it is received where the server announces it.
    max_redirects : int
        How often the server may send us elsewhere.
    """

    connect_seconds: float = 15.0
    silence_seconds: float = 30.0
    total_seconds: float = 900.0
    max_bytes: int = 256 * 2**20
    max_redirects: int = 5


DEFAULT_LIMITS = Limits()


def download(
    url: str,
    target: Path,
    *,
    sha256: str,
    remedy: str,
    limits: Limits = DEFAULT_LIMITS,
    progress: bool = False,
) -> None:
    """Put what `url` serves at `target`, if its SHA-256 is `sha256`. One attempt, no retries.

    Parameters
    ----------
    url : str
        An http or https address.
    target : Path
        Absolute. Its folder is made where missing; a file already there with another SHA-256 is
        replaced once the new one is verified, and stays as it is when the download fails.
    sha256 : str
        64 hexadecimal digits.
    remedy : str
        What a user can do instead, for the message of every failure.
    limits : Limits, optional
        Bounds of time and size.
    progress : bool, optional
        Draw a progress bar on stderr.

    Raises
    ------
    ModelError
        pooch is missing; the server cannot be reached, refuses, is too slow, breaks off, or serves
        too much or something else; or `target` cannot be written. No temporary file is left.
    """
    pooch = _import_pooch()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_silence(pooch.get_logger()))
        advance = stack.enter_context(_progress_bar(target.name)) if progress else _no_progress
        transfer = _Transfer(limits, remedy, advance)
        try:
            pooch.retrieve(
                url,
                known_hash=f"sha256:{sha256}",
                fname=target.name,
                path=target.parent,
                downloader=transfer,
            )
        except OSError as error:
            msg = f"cannot write {target}: {error.strerror or error}"
            raise ModelError(msg, remedy=f"make room or set ROI_ACCEL_CACHE; {remedy}") from error
        except ValueError as error:
            # pooch's name for a hash that differs; its text goes on over two lines.
            msg = (
                f"{shown(url)} served {transfer.received:,} bytes with SHA-256 "
                f"{transfer.digest.hexdigest()}, expected {sha256}; they were thrown away"
            )
            raise ModelError(msg, remedy=remedy) from error


def shown(url: str) -> str:
    """Return `url` as messages may show it: a user name, password or token in it stays out."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class _Transfer:
    """What pooch calls to receive a file: one GET within the limits."""

    def __init__(self, limits: Limits, remedy: str, advance: Advance) -> None:
        self._limits = limits
        self._remedy = remedy
        self._advance = advance
        self.received = 0
        self.digest = hashlib.sha256()

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Write what `url` serves to `output_file`, which exists and is empty."""
        del pooch  # Part of the signature that pooch calls; None from `retrieve`.
        import requests  # noqa: PLC0415 - comes with pooch, an optional dependency
        import urllib3  # noqa: PLC0415

        deadline = time.monotonic() + self._limits.total_seconds
        try:
            with requests.Session() as session:
                session.max_redirects = self._limits.max_redirects
                with session.get(
                    url,
                    stream=True,
                    timeout=(self._limits.connect_seconds, self._limits.silence_seconds),
                    # A network is not compressible, and so Content-Length is the file's size.
                    headers={"Accept-Encoding": "identity"},
                ) as response:
                    self._receive(response, Path(output_file), deadline)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            request = getattr(error, "request", None)
            at = getattr(request, "url", None) or url  # Where a redirect led, if one did.
            raise self._failure(at, self._cause(error)) from error

    def _receive(self, response: Response, path: Path, deadline: float) -> None:
        if response.status_code != http.HTTPStatus.OK:
            raise self._failure(response.url, f"answered {_status(response.status_code)}")
        announced = response.headers.get("Content-Length", "")
        total = int(announced) if announced.isascii() and announced.isdecimal() else None
        self._check_size(response.url, total or 0)
        path.unlink()  # pooch made it 0600; made anew it follows the umask.
        with path.open("xb") as file:
            for chunk in _chunks(response.raw):
                self.received += len(chunk)
                self._check_size(response.url, self.received)
                if time.monotonic() > deadline:
                    limit = f"{self._limits.total_seconds:g} s"
                    cause = f"was too slow: {self.received:,} bytes in {limit}"
                    raise self._failure(response.url, cause)
                self.digest.update(chunk)
                file.write(chunk)
                self._advance(self.received, total)

    def _check_size(self, url: str, size: int) -> None:
        if size > self._limits.max_bytes:
            limit = f"{self._limits.max_bytes:,}"
            raise self._failure(url, f"serves more than the {limit} bytes that a network may have")

    def _cause(self, error: Exception) -> str:
        import requests  # noqa: PLC0415 - comes with pooch, an optional dependency
        import urllib3  # noqa: PLC0415

        causes: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
            ((requests.exceptions.SSLError,), "has no certificate that is trusted here: {root}"),
            ((requests.exceptions.ProxyError,), "cannot be reached through the proxy: {root}"),
            ((requests.ConnectTimeout,), "cannot be reached: no answer in {connect:g} s"),
            (
                (requests.Timeout, urllib3.exceptions.TimeoutError),
                "went silent for {silence:g} s",
            ),
            ((requests.TooManyRedirects,), "redirects more than {redirects} times"),
            ((urllib3.exceptions.ProtocolError,), "broke off after {received:,} bytes: {root}"),
            ((Exception,), "cannot be reached: {root}"),
        )
        text = next(text for kinds, text in causes if isinstance(error, kinds))
        return text.format(
            root=_one_line(_root(error)),
            connect=self._limits.connect_seconds,
            silence=self._limits.silence_seconds,
            redirects=self._limits.max_redirects,
            received=self.received,
        )

    def _failure(self, url: str, cause: str) -> ModelError:
        return ModelError(f"{shown(url)} {cause}", remedy=self._remedy)


def _chunks(raw: Any) -> Iterator[bytes]:  # noqa: ANN401 - urllib3's response, of any version
    # read() returns only when its buffer is full, so a trickle would keep us from the clock;
    # read1() returns with what has come. urllib3 before 2.1 has only read().
    read: Callable[[int], bytes] = getattr(raw, "read1", raw.read)
    while chunk := read(_CHUNK):
        yield chunk


def _import_pooch() -> Any:  # noqa: ANN401 - pooch has no types
    try:
        import pooch  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        msg = f"fetching a network needs pooch, which cannot be imported: {error}"
        raise ModelError(msg, remedy=_INSTALL) from error
    return pooch


@contextlib.contextmanager
def _silence(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch from telling stderr the address, which may hold a password."""
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _progress_bar(name: str) -> Iterator[Advance]:
    from rich import progress  # noqa: PLC0415 - only where a bar is drawn
    from rich.console import Console  # noqa: PLC0415

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
    )
    with progress.Progress(
        *columns, console=Console(stderr=True, emoji=False), transient=True
    ) as bar:
        task = bar.add_task(name, total=None)

        def advance(received: int, total: int | None) -> None:
            bar.update(task, completed=received, total=total)

        yield advance


def _no_progress(received: int, total: int | None) -> None:
    del received, total


def _status(code: int) -> str:
    # The server's own phrase is foreign text that would reach the terminal.
    try:
        return f"{code} {http.HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _root(error: BaseException) -> BaseException:
    """Return what `error` began as: the operating system's reason under the libraries' layers."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _one_line(error: BaseException) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(text.split())[:200] or type(error).__name__
