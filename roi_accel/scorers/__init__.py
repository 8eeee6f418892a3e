"""What scores a video: programs with libvmaf, fed through pipes, and scorers of other packages."""

from roi_accel.scorers.options import (
    DEFAULT_MODEL,
    VmafFeature,
    VmafModel,
    parse_features,
    parse_models,
)
from roi_accel.scorers.protocol import (
    ScoreLog,
    Scorer,
    Scoring,
    ScoringRequest,
    VideoScores,
    check_scores,
    scorer_errors,
)
from roi_accel.scorers.table import find_scorer

__all__ = [
    "DEFAULT_MODEL",
    "ScoreLog",
    "Scorer",
    "Scoring",
    "ScoringRequest",
    "VideoScores",
    "VmafFeature",
    "VmafModel",
    "check_scores",
    "find_scorer",
    "parse_features",
    "parse_models",
    "scorer_errors",
]
