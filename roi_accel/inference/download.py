"""Download one file over HTTP, verified or not at all, in bounded time and size.

pooch owns the temporary file, the hash and the move. What it lacks is here: limits on the size and
on the whole duration (its own timeout starts again with every byte), and causes in one line.
"""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich import progress as rich_progress
from rich.console import Console

from roi_accel._util.error_translation import require
from roi_accel.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Response

_OK = 200
_CHUNK = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much patience a download gets: to connect, without a byte, and for the whole file."""

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
        Absolute. Its folder is made where missing; a file there with another SHA-256 is replaced
        once the new one is verified, and stays as it is when the download fails.
    sha256 : str
        64 hexadecimal digits.
    remedy : str
        What a user can do instead, for the message of every failure.
    limits : Limits, optional
    progress : bool, optional
        Draw a progress bar on stderr.

    Raises
    ------
    ModelError
        pooch is missing; the server cannot be reached, refuses, is too slow, breaks off, or serves
        too much or something else; or `target` cannot be written. No temporary file is left.
    """
    pooch = require("pooch", "cpu", "fetching a network", error=ModelError)
    bar = rich_progress.Progress(
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(),
        rich_progress.DownloadColumn(),
        rich_progress.TransferSpeedColumn(),
        console=Console(stderr=True, emoji=False),
        transient=True,
    )
    transfer = _Transfer(limits, remedy, bar, bar.add_task(target.name, total=None))
    known_hash = f"sha256:{sha256}"
    with ExitStack() as stack:
        # pooch would log the address, which may hold a password.
        logger: logging.Logger = pooch.get_logger()
        stack.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.CRITICAL)
        if progress:
            stack.enter_context(bar)
        try:
            pooch.retrieve(url, known_hash, target.name, target.parent, downloader=transfer)
        except OSError as error:
            msg = f"cannot write {target}: {error.strerror or error}"
            raise ModelError(msg, remedy=f"make room or set ROI_ACCEL_CACHE; {remedy}") from error
        except ValueError as error:  # pooch's name for a hash that differs
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

    def __init__(
        self, limits: Limits, remedy: str, bar: rich_progress.Progress, task: rich_progress.TaskID
    ) -> None:
        self._limits, self._remedy, self._bar, self._task = limits, remedy, bar, task
        self.received = 0
        self.digest = hashlib.sha256()

    def __call__(self, url: str, output_file: str, _: object) -> None:
        """Write what `url` serves to `output_file`, which exists and is empty."""
        import requests  # noqa: PLC0415 - comes with pooch, an optional dependency
        from urllib3 import exceptions as raw_errors  # noqa: PLC0415

        limits = self._limits
        deadline = time.monotonic() + limits.total_seconds
        try:
            with requests.Session() as session:
                session.max_redirects = limits.max_redirects
                with session.get(
                    url,
                    stream=True,
                    timeout=(limits.connect_seconds, limits.silence_seconds),
                    # A network is not compressible, and so Content-Length is the file's size.
                    headers={"Accept-Encoding": "identity"},
                ) as response:
                    self._receive(response, Path(output_file), deadline)
        except (requests.RequestException, raw_errors.HTTPError) as error:
            root = _root(error)
            causes = (
                (requests.exceptions.SSLError, f"has no certificate that is trusted here: {root}"),
                (requests.exceptions.ProxyError, f"cannot be reached through the proxy: {root}"),
                (
                    requests.ConnectTimeout,
                    f"cannot be reached: no answer in {limits.connect_seconds:g} s",
                ),
                (
                    (requests.Timeout, raw_errors.TimeoutError),
                    f"went silent for {limits.silence_seconds:g} s",
                ),
                (requests.TooManyRedirects, f"redirects more than {limits.max_redirects} times"),
                (raw_errors.ProtocolError, f"broke off after {self.received:,} bytes: {root}"),
                (Exception, f"cannot be reached: {root}"),
            )
            request = getattr(error, "request", None)
            at = getattr(request, "url", None) or url  # Where a redirect led, if one did.
            cause = next(text for kinds, text in causes if isinstance(error, kinds))
            raise self._failure(at, cause) from error

    def _receive(self, response: Response, path: Path, deadline: float) -> None:
        if response.status_code != _OK:
            raise self._failure(response.url, f"answered with HTTP status {response.status_code}")
        announced = response.headers.get("Content-Length", "")
        total = int(announced) if announced.isascii() and announced.isdecimal() else None
        self._check_size(response.url, total or 0)
        # read() returns only when its buffer is full, so a trickle would keep us from the clock;
        # read1() returns with what has come. urllib3 before 2.1 has only read().
        read: Callable[[int], bytes] = getattr(response.raw, "read1", response.raw.read)
        path.unlink()  # pooch made it 0600; written as a new file it follows the umask.
        with path.open("xb") as file:
            while chunk := read(_CHUNK):
                self.received += len(chunk)
                self._check_size(response.url, self.received)
                if time.monotonic() > deadline:
                    limit = f"{self._limits.total_seconds:g} s"
                    cause = f"was too slow: {self.received:,} bytes in {limit}"
                    raise self._failure(response.url, cause)
                self.digest.update(chunk)
                file.write(chunk)
                self._bar.update(self._task, completed=self.received, total=total)

    def _check_size(self, url: str, size: int) -> None:
        if size > self._limits.max_bytes:
            limit = f"{self._limits.max_bytes:,}"
            raise self._failure(url, f"serves more than the {limit} bytes that a network may have")

    def _failure(self, url: str, cause: str) -> ModelError:
        return ModelError(f"{shown(url)} {cause}", remedy=self._remedy)


def _root(error: BaseException) -> str:
    """Return the operating system's reason under the libraries' layers, in one line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(text.split())[:200] or type(error).__name__
