"""What made a file of masks: noted inside it, and held against how the file is used."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roi_accel._util.files import sha256_of
from roi_accel._util.text import printable
from roi_accel.errors import InputError, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ABOUT = "roi_accel"
"""Key of the text in an archive, and of Matroska's tag, which has it in capitals; others' files
lack it.
"""

FORMAT_VERSION = 1
"""Of the text."""

MOST_TEXT = 1 << 16
"""Characters of a text that is read; an honest one has two thousand."""

_MOST_NAME = 200
"""Characters of a name in it that a message or a result repeats."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class MaskOrigin:
    """What a file of masks says of its making; None where it does not say.

    Attributes
    ----------
    made_by : str or None
        The version of roi-accel.
    saliency_model : str or None
        As in a result.
    model_sha256 : str or None
        Of the network, or of the file that the masks were made from.
    stride : int or None
        ``--saliency-stride``.
    smoothed : float or None
        Seconds of ``--mask-smooth``, now or when the masks were first made.
    reference : str or None
        Its name.
    reference_bytes : int or None
    reference_sha256 : str or None
        Of its file.
    """

    made_by: str | None = None
    saliency_model: str | None = None
    model_sha256: str | None = None
    stride: int | None = None
    smoothed: float | None = None
    reference: str | None = None
    reference_bytes: int | None = None
    reference_sha256: str | None = None

    @classmethod
    def from_about(cls, about: Mapping[str, Any]) -> MaskOrigin:
        """Return what the text says.

        Parameters
        ----------
        about : mapping
            Of `read_about`; keys that are not known are passed over.

        Raises
        ------
        ValueError
            A value is none that roi-accel writes.
        """
        mask, smoothing, reference = (
            _block(about, key) for key in ("mask", "smoothing", "reference")
        )
        return cls(
            made_by=_name(about, ABOUT),
            saliency_model=_name(about, "saliency_model"),
            model_sha256=_digest(mask, "sha256"),
            stride=_whole(about, "saliency_stride", least=1),
            smoothed=_seconds(smoothing, "seconds"),
            reference=_name(reference, "path"),
            reference_bytes=_whole(reference, "bytes", least=0),
            reference_sha256=_digest(reference, "sha256"),
        )

    def facts(self) -> dict[str, object]:
        """Return what a result records of it; strict JSON."""
        return {
            "roi_accel": self.made_by,
            "saliency_model": self.saliency_model,
            "sha256": self.model_sha256,
            "saliency_stride": self.stride,
            "mask_smooth": self.smoothed,
            "reference": self.reference,
            "reference_sha256": self.reference_sha256,
        }

    def check_smooth(self, label: str) -> None:
        """Raise InputError if the masks, which are to be smoothed, have been already."""
        if self.smoothed is not None:
            msg = (
                f"{label} was smoothed when it was made, with --mask-smooth {self.smoothed:g}; "
                "smoothed again it would lag behind the picture"
            )
            raise InputError(msg, remedy="leave --mask-smooth out")

    def is_from(self, reference: Path) -> bool:
        """Return False if the masks were made from another file than `reference`.

        Its content is read only where its size does not tell. A pipe cannot be read twice, and
        masks that do not say are given the benefit of the doubt.
        """
        if self.reference_sha256 is None or not reference.is_file():
            return True
        return self.reference_bytes in (None, reference.stat().st_size) and (
            sha256_of(reference) == self.reference_sha256
        )


def origin_text(facts: Mapping[str, Any]) -> str:
    """Return the text that a file of masks holds, from which `read_about` gets `facts` again."""
    return json.dumps({"version": FORMAT_VERSION, **facts}, indent=1)


def read_about(text: str) -> dict[str, Any]:
    """Return what a text of `origin_text` holds.

    Raises
    ------
    ValueError, RecursionError
        It is no such text, or of a later version.
    """
    if len(text) > MOST_TEXT:
        msg = f"longer than {MOST_TEXT} characters"
        raise ValueError(msg)
    about = json.loads(text)
    if not isinstance(about, dict):
        msg = "it is no JSON object"
        raise ValueError(msg)  # noqa: TRY004 - a text of the wrong kind, not a caller's mistake
    if about.get("version") != FORMAT_VERSION:
        msg = f"version {str(about.get('version'))[:20]!r}, where {FORMAT_VERSION} is known"
        raise ValueError(msg)
    return about


def origin_in_tags(tags: Mapping[str, str], where: str) -> MaskOrigin | None:
    """Return what a video's tags say of its making, None where they do not.

    Parameters
    ----------
    tags : mapping of str to str
        By keys in any case.
    where : str
        The file, for messages.

    Raises
    ------
    InputError
        The tag is malformed.
    """
    text = {key.lower(): value for key, value in tags.items()}.get(ABOUT)
    if text is None:
        return None
    try:
        return MaskOrigin.from_about(read_about(text))
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        msg = f"{where}: its tag {ABOUT!r} is damaged: {reason}"
        raise InputError(msg, remedy="write it again with roi-accel mask") from error


def reference_identity(path: Path) -> dict[str, Any]:
    """Return size and SHA-256 of the reference's file, by which `is_from` knows it; reads it.

    Nothing for a pipe, which cannot be read twice.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        if not path.is_file():
            return {}
        return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    except OSError as error:
        remedy = "leave the file where it is during the run"
        raise unreadable(printable(path), error, remedy=remedy) from error


def _wrong(key: str, value: object) -> ValueError:
    return ValueError(f"{key} is {str(value)[:40]!r}")


def _block(about: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = about.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(key, value)
    return value


def _name(about: Mapping[str, Any], key: str) -> str | None:
    value = about.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong(key, value)
    value = value if value.isprintable() else ascii(value)[1:-1]
    return value if len(value) <= _MOST_NAME else f"...{value[-_MOST_NAME:]}"


def _digest(about: Mapping[str, Any], key: str) -> str | None:
    value = about.get(key)
    if value is not None and not (isinstance(value, str) and _SHA256.fullmatch(value)):
        raise _wrong(key, value)
    return value


def _whole(about: Mapping[str, Any], key: str, *, least: int) -> int | None:
    value = about.get(key)
    if value is not None and (type(value) is not int or not least <= value < 1 << 63):
        raise _wrong(key, value)
    return value


def _seconds(about: Mapping[str, Any], key: str) -> float | None:
    value = about.get(key)
    if value is None:
        return None
    # JSON's whole numbers have no end, and one that no float can hold cannot be compared as one.
    if type(value) not in (int, float) or not 0 < value <= sys.float_info.max:
        raise _wrong(key, value)
    return float(value)
