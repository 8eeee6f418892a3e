"""Videos and masks that are objects of a store, named by URL: read to know them, copied to score.

fsspec knows the stores; it is imported only where a row names a URL.
"""

from __future__ import annotations

import posixpath
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from roi_accel._util.error_translation import require
from roi_accel.batch.rows import is_url
from roi_accel.errors import InputError, RoiAccelError
from roi_accel.options import FILE_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roi_accel.batch.rows import Pair


def stamp_of(url: str) -> str:
    """Return what changes when the object does: its store's own mark, such as an ETag.

    Raises
    ------
    InputError
        It is not there or cannot be read, or fsspec or the store's package is missing.
    """
    with _store_of(url) as (store, path):
        store.invalidate_cache()
        return str(store.ukey(path))


@contextmanager
def opened_url(url: str) -> Iterator[BinaryIO]:
    """Yield an object as a file to read; InputError as for `stamp_of`."""
    with _store_of(url) as (store, path), store.open(path, "rb") as file:
        yield file


class Copies:
    """Pairs with local files in place of URLs.

    Attributes
    ----------
    pairs : list of Pair
    """

    def __init__(self, pairs: Sequence[Pair], copies: dict[str, str]) -> None:
        self._copies = copies
        self.pairs = [_with(pair, copies) for pair in pairs] if copies else list(pairs)

    def restored(self, content: Any) -> Any:  # noqa: ANN401 - whatever JSON can be
        """Return `content` with URLs in place of local files, in all its texts."""
        if not self._copies:
            return content
        if isinstance(content, str):
            for url, path in self._copies.items():
                content = content.replace(path, url)
        elif isinstance(content, dict):
            # Frames are many, and hold numbers.
            return {
                name: value if name == "frames" else self.restored(value)
                for name, value in content.items()
            }
        elif isinstance(content, list | tuple):
            return type(content)(map(self.restored, content))
        return content


@contextmanager
def downloaded(pairs: Sequence[Pair]) -> Iterator[Copies]:
    """Copy what `pairs` name by URL to a temporary folder, and remove it at the end.

    What is raised inside names the URLs.

    Raises
    ------
    InputError
        As for `stamp_of`.
    """
    urls = dict.fromkeys(name for pair in pairs for name in files_of(pair) if is_url(name))
    if not urls:
        yield Copies(pairs, {})
        return
    with tempfile.TemporaryDirectory(prefix="roi-accel-objects-") as folder:
        paths: dict[str, str] = {}
        for number, url in enumerate(urls):
            place = Path(folder) / str(number)
            place.mkdir()
            paths[url] = str(place / (posixpath.basename(url.partition("?")[0]) or "object"))
            with _store_of(url) as (store, name):
                store.get_file(name, paths[url])
        copies = Copies(pairs, paths)
        try:
            yield copies
        except RoiAccelError as error:
            error.message = copies.restored(error.message)
            raise


def files_of(pair: Pair) -> list[str]:
    """Return the files that a pair names, as it names them: videos, then those of options."""
    options = [pair.keywords[name] for name in FILE_OPTIONS if pair.keywords.get(name)]
    return [pair.reference, pair.distorted, *map(str, options)]


def _with(pair: Pair, copies: dict[str, str]) -> Pair:
    options = {
        name: copies.get(str(value), value) if name in FILE_OPTIONS else value
        for name, value in pair.keywords.items()
    }
    return replace(
        pair,
        reference=copies.get(pair.reference, pair.reference),
        distorted=copies.get(pair.distorted, pair.distorted),
        keywords=options,
    )


@contextmanager
def _store_of(url: str) -> Iterator[tuple[Any, str]]:
    """Yield the store of an object and its path there; what fails inside is an InputError."""
    core = require("fsspec.core", "remote", f"{url}: is a URL, which")
    try:
        yield core.url_to_fs(url)
    except RoiAccelError:
        raise
    except Exception as error:  # each store raises errors of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        remedy = "check the URL, and what gives access to it"
        if isinstance(error, ImportError):  # fsspec says "Install s3fs to access S3".
            remedy = "install what is missing on every machine"
        elif isinstance(error, FileNotFoundError):
            reason, remedy = "there is no such object", "check the URL"
        msg = f"{url}: cannot be read: {reason}"
        raise InputError(msg, remedy=remedy) from error
