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
    with _reading(url):
        store, path = _at(url)
        store.invalidate_cache()
        return str(store.ukey(path))


@contextmanager
def opened_url(url: str) -> Iterator[BinaryIO]:
    """Yield an object as a file to read.

    Raises
    ------
    InputError
        As `stamp_of`.
    """
    with _reading(url):
        store, path = _at(url)
        with store.open(path, "rb") as file:
            yield file


class Copies:
    """Pairs with local files in place of URLs.

    Attributes
    ----------
    pairs : list of Pair
    """

    def __init__(self, pairs: Sequence[Pair], copies: dict[str, str]) -> None:
        self._copies = copies
        self.pairs = [_with(pair, copies) for pair in pairs]

    def restored(self, content: Any) -> Any:  # noqa: ANN401 - whatever JSON can be
        """Return `content` with URLs in place of local files, in all its texts."""
        if isinstance(content, str):
            for url, path in self._copies.items():
                content = content.replace(path, url)
            return content
        if isinstance(content, dict) and self._copies:
            # Frames are many, and hold numbers.
            return {
                name: value if name == "frames" else self.restored(value)
                for name, value in content.items()
            }
        if isinstance(content, list | tuple) and self._copies:
            return type(content)(self.restored(each) for each in content)
        return content


@contextmanager
def brought(pairs: Sequence[Pair]) -> Iterator[Copies]:
    """Copy what `pairs` name by URL to a temporary folder, and remove it at the end.

    What is raised inside names the URLs.

    Raises
    ------
    InputError
        As `stamp_of`.
    """
    urls = dict.fromkeys(name for pair in pairs for name in files_of(pair) if is_url(name))
    if not urls:
        yield Copies(pairs, {})
        return
    with tempfile.TemporaryDirectory(prefix="roi-accel-objects-") as folder:
        copies: dict[str, str] = {}
        for number, url in enumerate(urls):
            place = Path(folder) / str(number)
            place.mkdir()
            copies[url] = str(place / (posixpath.basename(url.partition("?")[0]) or "object"))
            _copy(url, copies[url])
        found = Copies(pairs, copies)
        try:
            yield found
        except RoiAccelError as error:
            error.message = found.restored(error.message)
            raise


def files_of(pair: Pair) -> list[str]:
    """Return the files that a pair names, as it names them: videos, then those of options."""
    options = [pair.keywords[name] for name in FILE_OPTIONS if pair.keywords.get(name)]
    return [pair.reference, pair.distorted, *map(str, options)]


def _with(pair: Pair, copies: dict[str, str]) -> Pair:
    if not copies:
        return pair
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


def _copy(url: str, path: str) -> None:
    with _reading(url):
        store, name = _at(url)
        store.get_file(name, path)


def _at(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra
    except ImportError as error:
        msg = f"{url}: is a URL, which needs fsspec: {error}"
        raise InputError(msg, remedy='pip install "roi-accel[remote]"') from error
    store, path = url_to_fs(url)
    return store, path


@contextmanager
def _reading(url: str) -> Iterator[None]:
    """Say in our words that an object cannot be read."""
    try:
        yield
    except RoiAccelError:
        raise
    except ImportError as error:
        # fsspec's own words name the package: "Install s3fs to access S3".
        msg = f"{url}: cannot be read: {error}"
        raise InputError(msg, remedy="install what is missing on every machine") from error
    except FileNotFoundError as error:
        msg = f"{url}: cannot be read: there is no such object"
        raise InputError(msg, remedy="check the URL") from error
    except Exception as error:  # each store raises errors of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        msg = f"{url}: cannot be read: {reason}"
        raise InputError(msg, remedy="check the URL, and what gives access to it") from error
