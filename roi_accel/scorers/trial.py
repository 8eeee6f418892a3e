"""Asks a scorer, with one flat frame, whether it knows what it is to compute.

Both programs look at their models and features only when the first frames have come; by then a
clip may have been decoded and masked for nothing, and the cause stands behind other work.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.frame import Frame
from roi_accel.errors import ScorerError
from roi_accel.scorers.known import guess_names
from roi_accel.scorers.options import DEFAULT_MODEL, parse_models
from roi_accel.scorers.scoring import Scoring

if TYPE_CHECKING:
    from roi_accel.scorers.commands import ScoringRequest
    from roi_accel.scorers.find import Scorer


def try_models(scorer: Scorer, request: ScoringRequest) -> None:
    """Let `scorer` compute `request` for a flat frame, unless it asks for the default alone.

    The default model is in every libvmaf since version 2, so the common run pays nothing. The
    scores of the flat frame are not looked at: a feature such as ``psnr_hvs`` is infinite there.

    Parameters
    ----------
    scorer : Scorer
    request : ScoringRequest
        Of the run to come; the frame has its geometry, since a model may refuse small frames.

    Raises
    ------
    ScorerError
        The scorer does not know a model or a feature, in its own words.
    """
    if request.models == parse_models((DEFAULT_MODEL,)) and not request.features:
        return
    pixel_format = request.pixel_format
    gray = pixel_format.max_value // 2
    y, u, v = (
        np.full(shape, gray, pixel_format.dtype)
        for shape in pixel_format.plane_shapes(request.width, request.height)
    )
    frame = Frame((y, u, v), pixel_format)
    try:
        with Scoring(scorer, replace(request, variants=1, subsample=1)) as scoring:
            scoring.feed([frame, frame])
            scoring.end()
    except ScorerError as error:
        guess = guess_names(request.models, request.features)
        if not guess:
            raise
        raise ScorerError(error.message, remedy=guess + error.remedy) from error
