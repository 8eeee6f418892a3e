"""Write the reference part of docs/python.md from the docstrings, so that the two never differ.

python scripts/write_python_reference.py, or with --check to see whether it would change.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import roi_accel
from roi_accel.errors import RoiAccelError

PAGE = Path(__file__).resolve().parent.parent / "docs" / "python.md"
START = "<!-- From here on written by scripts/write_python_reference.py from the docstrings. -->\n"
SECTIONS = ("Parameters", "Attributes", "Returns", "Raises", "Examples")
METHODS = ("to_dict", "to_json", "to_frame")


def main() -> None:
    """Write the page, or end with 1 where --check finds that it is not as the docstrings are."""
    text = PAGE.read_text("utf-8")
    by_hand = text.partition(START)[0]
    wanted = by_hand + START + "\n" + reference()
    if "--check" in sys.argv[1:]:
        if text != wanted:
            sys.exit(f"{PAGE.name} is not as the docstrings are: python {sys.argv[0]}")
        return
    PAGE.write_text(wanted, "utf-8")


def reference() -> str:
    """Return the reference of everything that `roi_accel` offers by name."""
    parts = [
        entry("roi_accel.score(reference, distorted, **keywords)", roi_accel.score),
        entry("roi_accel.mask(reference, output, **keywords)", roi_accel.mask),
        entry("roi_accel.MaskFile", roi_accel.MaskFile),
        entry(
            "roi_accel.get_backend(name=None, *, device=None, threads=None)", roi_accel.get_backend
        ),
        entry("roi_accel.Result", roi_accel.Result),
    ]
    for name in METHODS:
        method = getattr(roi_accel.Result, name)
        arguments = ", ".join(
            str(each).partition(":")[0]
            + (f"={each.default}" if each.default is not each.empty else "")
            for each in list(inspect.signature(method).parameters.values())[1:]
        )
        keyword_only = "*, " if arguments else ""
        parts.append(entry(f"Result.{name}({keyword_only}{arguments})", method, level=4))
    parts.append(entry("roi_accel.FrameScore", roi_accel.FrameScore))
    parts.append(entry("FrameScore.to_dict()", roi_accel.FrameScore.to_dict, level=4))
    parts.append(entry("FrameScore.to_row()", roi_accel.FrameScore.to_row, level=4))
    parts.append(errors())
    return "\n".join(parts)


def errors() -> str:
    """Return the table of the errors, which are all of one base."""
    found = [getattr(roi_accel, name) for name in roi_accel.__all__]
    classes = [each for each in found if isinstance(each, type) and issubclass(each, RoiAccelError)]
    classes.sort(key=lambda each: (each is not RoiAccelError, each.exit_code))
    rows = [f"| `{each.__name__}` | {first_line(each)} |" for each in classes]
    head = (
        "### Errors\n\nEach has `message`, what was found and expected; `remedy`, what to do; and "
        "`exit_code`, that of the command line.\n\n| error | |\n|---|---|"
    )
    return "\n".join([head, *rows]) + "\n"


def first_line(documented: object) -> str:
    """Return the first line of a docstring, as a phrase."""
    return (inspect.getdoc(documented) or "").partition("\n")[0].rstrip(".")


def entry(title: str, documented: object, *, level: int = 3) -> str:
    """Return a heading and a docstring in numpy's style as Markdown."""
    lines = (inspect.getdoc(documented) or "").splitlines()
    made = [f"{'#' * level} `{title}`", ""]
    section = ""
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if line in SECTIONS and following.startswith("---"):
            section = line
            made += [f"**{line}**", *(("", "```pycon") if line == "Examples" else ())]
        elif line.startswith("---"):
            made.append("")
        elif section == "Examples":
            made += [line] if line else []
        elif section and line and not line.startswith(" "):
            name, _, kind = line.partition(" : ")
            made.append(f"- `{name}`" + (f" ({inline(kind)})" if kind else ""))
        elif section and line:
            made.append(f"  {inline(line.strip())}")
        else:
            made.append(inline(line))
    if section == "Examples":
        made.append("```")
    text = "\n".join(made)
    return text.replace("```pycon\n\n", "```pycon\n") + "\n"


def inline(text: str) -> str:
    """Return a line with reStructuredText's code marks as Markdown's."""
    return re.sub(r"``([^`]+)``", r"`\1`", text)


if __name__ == "__main__":
    main()
