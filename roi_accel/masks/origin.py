"""What made a file of masks: noted inside it, and compared with how the file is used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, AliasPath, BaseModel, ConfigDict, Field, ValidationError

from roi_accel._util import strict_json
from roi_accel._util.files import sha256_of
from roi_accel._util.text import printable, short_repr
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
        """Return what the text says.

        Parameters
        ----------
        about : mapping
            Of `read_about`; unknown keys are ignored.

        Raises
        ------
        ValueError
            A value is not one that roi-accel writes.
        """
        for key in ("mask", "smoothing", "reference"):
            if not isinstance(about.get(key), dict | None):
                msg = f"{key} is {short_repr(about[key])}"
                raise ValueError(msg)  # noqa: TRY004 - callers handle one kind of error
        known = {ABOUT, "saliency_model", "mask", "saliency_stride", "smoothing", "reference"}
        try:
            return cls.model_validate({key: about[key] for key in known & about.keys()})
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(str(part) for part in fault["loc"])
            msg = f"{place} is {short_repr(fault['input'])}: {fault['msg']}"
            raise ValueError(msg) from error

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
    ValueError
        It is not such a text, or of a later version.
    """
    if len(text) > MOST_TEXT:
        msg = f"longer than {MOST_TEXT} characters"
        raise ValueError(msg)
    about = strict_json.loads_object(text)
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
    except ValueError as error:
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
