"""Options of commands and keywords, each declared once; what lists options derives from these."""

from roi_accel.options.declaration import (
    Declared,
    Given,
    Option,
    Options,
    declared,
    documented,
    is_path,
    option,
    typed_values,
)
from roi_accel.options.messages import (
    COMMAND_LINE,
    MANIFEST,
    PYTHON,
    Caller,
    command_line,
    wrong_type,
)
from roi_accel.options.score import (
    AUTO_CROP,
    DEFAULT_NETWORK,
    DEFAULT_THRESHOLD,
    FILE_OPTIONS,
    NETWORK_OPTIONS,
    OWN_MASKS,
    PATH_OPTIONS,
    File,
    ScoreOptions,
)

__all__ = [
    "AUTO_CROP",
    "COMMAND_LINE",
    "DEFAULT_NETWORK",
    "DEFAULT_THRESHOLD",
    "FILE_OPTIONS",
    "MANIFEST",
    "NETWORK_OPTIONS",
    "OWN_MASKS",
    "PATH_OPTIONS",
    "PYTHON",
    "Caller",
    "Declared",
    "File",
    "Given",
    "Option",
    "Options",
    "ScoreOptions",
    "command_line",
    "declared",
    "documented",
    "is_path",
    "option",
    "typed_values",
    "wrong_type",
]
