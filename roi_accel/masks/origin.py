"""What made a file of masks: noted inside it, and compared with how the file is used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, AliasPath, BaseModel, ConfigDict, Field, ValidationError

from roi_accel._util import strict_json
from roi_accel._util.files import sha256_of
from roi_accel._util.text import printable, short_repr
from roi_accel._util.validation import first_fault
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


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _MOST_NAME else f"...{name[-_MOST_NAME:]}"


Name = Annotated[str, AfterValidator(_short)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class MaskOrigin(BaseModel):
    """How a file of masks says that it was made; None where it does not say.

    `model_sha256` is of the network or of the file that the masks were made from, `smoothed` the
    seconds of ``--mask-smooth``, now or when the masks were first made.
    """

    model_config = ConfigDict(strict=True, frozen=True, populate_by_name=True)

    made_by: Name | None = Field(None, validation_alias=ABOUT)
    saliency_model: Name | None = None
    model_sha256: Digest | None = Field(None, validation_alias=AliasPath("mask", "sha256"))
    stride: int | None = Field(None, ge=1, validation_alias="saliency_stride", lt=1 << 63)
    smoothed: float | None = Field(
        None, gt=0, allow_inf_nan=False, validation_alias=AliasPath("smoothing", "seconds")
    )
    reference: Name | None = Field(None, validation_alias=AliasPath("reference", "path"))
    reference_bytes: int | None = Field(
        None, ge=0, lt=1 << 63, validation_alias=AliasPath("reference", "bytes")
    )
    reference_sha256: Digest | None = Field(None, validation_alias=AliasPath("reference", "sha256"))

    @classmethod
    def from_about(cls, about: Mapping[str, Any]) -> MaskOrigin:
        """Return what `read_about` found; ValueError for a value that roi-accel does not write."""
        for key in ("mask", "smoothing", "reference"):
            if not isinstance(about.get(key), dict | None):
                msg = f"{key} is {short_repr(about[key])}"
                raise ValueError(msg)  # noqa: TRY004 - callers handle one kind of error
        known = {ABOUT, "saliency_model", "mask", "saliency_stride", "smoothing", "reference"}
        try:
            return cls.model_validate({key: about[key] for key in known & about.keys()})
        except ValidationError as error:
            raise ValueError(first_fault(error)) from error

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
    """Return what a text of `origin_text` holds; ValueError for another or a later version."""
    if len(text) > MOST_TEXT:
        msg = f"longer than {MOST_TEXT} characters"
        raise ValueError(msg)
    about = strict_json.loads_object(text)
    if about.get("version") != FORMAT_VERSION:
        msg = f"version {str(about.get('version'))[:20]!r}, where {FORMAT_VERSION} is known"
        raise ValueError(msg)
    return about


def origin_in_tags(tags: Mapping[str, str], where: str) -> MaskOrigin | None:
    """Return what a video's tags, by keys in any case, say of its making; None for nothing.

    Raises InputError for a malformed tag of the file `where`.
    """
    text = {key.lower(): value for key, value in tags.items()}.get(ABOUT)
    if text is None:
        return None
    try:
        return MaskOrigin.from_about(read_about(text))
    except ValueError as error:
        reason = " ".join(str(error).split())[:120]
        msg = f"{where}: its tag {ABOUT!r} is damaged: {reason}"
        raise InputError(msg, remedy="write it again with roi-accel mask") from error


def reference_identity(path: Path) -> dict[str, Any]:
    """Return size and SHA-256 of the reference's file, by which `is_from` knows it.

    Reads the file, InputError if it cannot; nothing for a pipe, which cannot be read twice.
    """
    try:
        if not path.is_file():
            return {}
        return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    except OSError as error:
        remedy = "leave the file where it is during the run"
        raise unreadable(printable(path), error, remedy=remedy) from error
