"""VMAF, unmodified: finding a program that has it, feeding it through pipes, trusting its log."""

from roi_accel.scorers.commands import ScoringRequest, has_odd_chroma, is_unsafe_for_tool
from roi_accel.scorers.find import Scorer, find_all_scorers, find_scorer
from roi_accel.scorers.log import VmafLog
from roi_accel.scorers.options import (
    DEFAULT_MODEL,
    VmafFeature,
    VmafModel,
    parse_features,
    parse_models,
)
from roi_accel.scorers.scoring import Scoring
from roi_accel.scorers.trial import try_models

__all__ = [
    "DEFAULT_MODEL",
    "Scorer",
    "Scoring",
    "ScoringRequest",
    "VmafFeature",
    "VmafLog",
    "VmafModel",
    "find_all_scorers",
    "find_scorer",
    "has_odd_chroma",
    "is_unsafe_for_tool",
    "parse_features",
    "parse_models",
    "try_models",
]
