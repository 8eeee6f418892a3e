"""What a score is once it is known: per frame, pooled, per region, and where it came from.

The JSON form is published as roi_accel/data/result.schema.json.
"""

from __future__ import annotations

import csv
import io
import json
from copy import deepcopy
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roi_accel._util.text import in_json, in_table
from roi_accel.errors import InputError
from roi_accel.results.summary import HEADINGS, TITLES, facts, score_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class FrameScore:
    """One scored frame.

    Attributes
    ----------
    frame_number : int
        0-based.
    metrics : mapping of str to float
        ``vmaf_full``, ``vmaf_masked``, ``vmaf_roi``; the same three for each further model, and
        ``_full`` and ``_masked`` for each metric of ``--feature``.
    saliency_mean, alpha_mean : float
        Mean of the mask before, and after, threshold and fade; in [0, 1].
    regions : mapping of str to mapping of str to float
        ``vmaf_masked`` and ``vmaf_roi`` per named region.
    """

    frame_number: int
    metrics: Mapping[str, float]
    saliency_mean: float
    alpha_mean: float
    regions: Mapping[str, Mapping[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return the frame as the JSON result has it."""
        content: dict[str, Any] = {
            "frameNum": self.frame_number,
            "metrics": dict(self.metrics),
            "saliency_mean": self.saliency_mean,
            "alpha_mean": self.alpha_mean,
        }
        if self.regions:
            content["regions"] = {name: dict(metrics) for name, metrics in self.regions.items()}
        return content

    def to_row(self) -> dict[str, float]:
        """Return the frame's numbers as a row of a table; a region's are ``NAME.vmaf_masked``."""
        return {
            **self.metrics,
            "saliency_mean": self.saliency_mean,
            "alpha_mean": self.alpha_mean,
            **{
                f"{region}.{name}": value
                for region, metrics in self.regions.items()
                for name, value in metrics.items()
            },
        }


@dataclass(frozen=True, kw_only=True)
class Result:
    """The score of one pair.

    Attributes
    ----------
    vmaf_full, vmaf_masked, vmaf_roi : float
        Means over time: of VMAF on the whole frame, of VMAF with everything but the salient part
        replaced by the reference, and of their blend. Never clamped.
    weight : float
        The masked score's share in the blend.
    model, saliency_model, reference, distorted : str
        The VMAF model, the source of the mask, and the two files, as they were named.
    frames : tuple of FrameScore
    pooled_metrics : mapping of str to mapping of str to float
        For each metric, and for ``alpha_mean``, its pools over time (see `results.build`).
    regions : mapping of str to mapping
        For each named region ``vmaf_masked``, ``vmaf_roi`` and its ``pooled_metrics``.
    provenance : mapping
        Versions, files, geometry and every parameter that changes the score.
    warnings : tuple of str
        What the reader should know of this run that is not a failure, one line each.
    parity : mapping
        What the gate compared, and with what, before frames reached VMAF.
    timing : mapping
        Where the time of the run went; the only part that differs between equal runs.
    """

    vmaf_full: float
    vmaf_masked: float
    weight: float
    vmaf_roi: float
    model: str
    saliency_model: str
    reference: str
    distorted: str
    frames: tuple[FrameScore, ...]
    pooled_metrics: Mapping[str, Mapping[str, float]]
    regions: Mapping[str, Mapping[str, Any]]
    provenance: Mapping[str, Any]
    warnings: tuple[str, ...]
    parity: Mapping[str, Any]
    timing: Mapping[str, Any]

    def __repr__(self) -> str:
        """Return scores and frame count in one line; `to_json` has all, frame by frame."""
        scores = ", ".join(f"{name} {getattr(self, name):.2f}" for name in TITLES)
        counts = [f"{len(self.frames)} frame{'s' * (len(self.frames) != 1)}"]
        if self.warnings:
            counts.append(f"{len(self.warnings)} warning{'s' * (len(self.warnings) != 1)}")
        names = f"{Path(self.distorted).name!r} against {Path(self.reference).name!r}"
        return f"<Result of {names}: {scores}; {', '.join(counts)}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as its JSON has it."""
        content = {"schema_version": SCHEMA_VERSION, **vars(self), "frames": []}
        content = deepcopy(content | {"warnings": list(self.warnings)})
        content["frames"] = [frame.to_dict() for frame in self.frames]
        if not self.regions:
            del content["regions"]
        return content

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return strict JSON: a NaN or an infinity anywhere is a ValueError, never written."""
        return to_json(self, indent=indent)

    def to_frame(self) -> pd.DataFrame:
        """Return the frames as a table of pandas.

        Returns
        -------
        pandas.DataFrame
            A row per scored frame, by its number, the index ``frame``. Columns, all float64: every
            metric, ``saliency_mean``, ``alpha_mean``, and ``NAME.vmaf_masked`` and
            ``NAME.vmaf_roi`` per named region.

        Raises
        ------
        InputError
            pandas is not installed; the extra ``pandas`` brings it.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - only for who asks
        except ImportError as error:
            msg = "a table of the frames needs pandas, which is not installed"
            raise InputError(msg, remedy='pip install "roi-accel[pandas]"') from error
        numbers = [frame.frame_number for frame in self.frames]
        rows = [frame.to_row() for frame in self.frames]
        table = pd.DataFrame(rows, index=pd.Index(numbers, name="frame"))
        table.attrs = {"reference": self.reference, "distorted": self.distorted}
        return table

    def _repr_html_(self) -> str:
        heads = ("distorted", *(escape(head).replace("\n", "<br>") for head in HEADINGS))
        rows = "".join(
            f"<tr><td>{'&emsp;' * name.startswith('  ')}{escape(name.removeprefix('  '))}</td>"
            f"{''.join(f'<td>{score}</td>' for score in scores)}</tr>"
            for name, scores in score_rows([self])
        )
        notes = "".join(
            f"<tr><th>{escape(what)}</th><td>{escape(fact)}</td></tr>"
            for what, fact in facts(self).items()
        )
        warnings = "".join(f"<li>{escape(warning)}</li>" for warning in self.warnings)
        return (
            "<table><caption>VMAF where people look</caption>"
            f"<thead><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr></thead>"
            f"<tbody>{rows}</tbody></table><table><tbody>{notes}</tbody></table>"
            + (f"<p>Warnings</p><ul>{warnings}</ul>" if warnings else "")
        )


def to_json(results: Result | Sequence[Result], *, indent: int | None = 2) -> str:
    """Return one result as a JSON object, or several as an array, with a newline at the end.

    With an indent, each frame stays on one line: a thousand frames are then a thousand lines.
    """
    if isinstance(results, Result):
        return _object_text(results, indent) + "\n"
    return "[" + ",\n".join(_object_text(result, indent) for result in results) + "]\n"


def _object_text(result: Result, indent: int | None) -> str:
    content = result.to_dict()
    if indent is None:
        return _dump(content, None)
    frames, content["frames"] = content["frames"], []
    lines = ",\n".join(f"{' ' * 2 * indent}{_dump(frame, None)}" for frame in frames)
    text = _dump(content, indent)
    # No string can hold this text: its own quotes would be escaped.
    return text.replace('"frames": []', f'"frames": [\n{lines}\n{" " * indent}]', 1)


def _dump(content: object, indent: int | None) -> str:
    text = json.dumps(content, indent=indent, allow_nan=False, ensure_ascii=False)
    return in_json(text)


def to_csv(results: Sequence[Result]) -> str:
    """Return a table with one row per distorted video and frame, for spreadsheets."""
    rows = [
        {"distorted": result.distorted, "frame": frame.frame_number, **frame.to_row()}
        for result in results
        for frame in result.frames
    ]
    with io.StringIO(newline="") as text:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return in_table(text.getvalue())
