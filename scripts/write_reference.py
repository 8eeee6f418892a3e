"""Write what follows from the declarations of options and from docstrings, so that none differs.

python scripts/write_reference.py, or with --check to see whether it would change: the keywords of
roi_accel/api/keywords.py, the parameters in the schema of a result, the tables of options in
docs/interface.md and the reference in docs/python.md.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import roi_accel
from roi_accel.api.mask import KEYWORDS as OF_MASK
from roi_accel.api.score import ScoreCall
from roi_accel.errors import RoiAccelError
from roi_accel.options import ScoreOptions, declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from roi_accel.options import Declared

ROOT = Path(__file__).resolve().parent.parent
START = "<!-- From here on written by scripts/write_reference.py from the docstrings. -->\n"
TABLES = re.compile(
    r"(<!-- options: written by scripts/write_reference.py -->\n).*?(<!-- end -->)", re.DOTALL
)
SECTIONS = ("Parameters", "Attributes", "Returns", "Raises", "Examples")
METHODS = ("to_dict", "to_json", "to_frame")


def main() -> None:
    """Write the files, or end with 1 where --check finds that one of them would change."""
    writers: dict[str, Callable[[str], str]] = {
        "roi_accel/api/keywords.py": keywords_module,
        "roi_accel/data/result.schema.json": with_parameters,
        "docs/interface.md": with_tables,
        "docs/python.md": lambda text: f"{text.partition(START)[0]}{START}\n{reference()}",
    }
    for name, write in writers.items():
        path = ROOT / name
        text = path.read_text("utf-8") if path.exists() else ""
        wanted = write(text)
        if wanted != text and "--check" in sys.argv[1:]:
            sys.exit(f"{name} is not as the declarations are: python {sys.argv[0]}")
        path.write_text(wanted, "utf-8")


def keywords_module(_: str = "") -> str:
    """Return the module of the keywords' types, which type checkers and editors read."""
    of_score = declared(ScoreCall)
    shared = [each for name, each in of_score.items() if name in OF_MASK]
    return "\n".join(
        [
            '"""Types of the keywords of `score` and `mask`; see scripts/write_reference.py."""',
            "",
            "from collections.abc import Callable, Sequence",
            "from fractions import Fraction",
            "from os import PathLike",
            "from typing import Literal, TypedDict",
            "",
            "AnyPath = str | PathLike[str]",
            "Progress = Callable[[int, int | None], None]",
            "",
            *typed_dict("SharedKeywords", "TypedDict", "`score` and `mask` have in common", shared),
            *typed_dict(
                "ScoreKeywords",
                "SharedKeywords",
                "`score` takes",
                [each for name, each in of_score.items() if name not in OF_MASK],
            ),
            *typed_dict(
                "MaskKeywords",
                "SharedKeywords",
                "`mask` takes",
                [each for name, each in OF_MASK.items() if name not in of_score],
            ),
        ]
    )


def typed_dict(name: str, base: str, whose: str, options: Iterable[Declared]) -> list[str]:
    """Return the lines of a TypedDict."""
    return [
        "",
        f"class {name}({base}, total=False):",
        f'    """Keywords that {whose}; each may be left out, or be None."""',
        "",
        *(f"    {each.name}: {each.python} | None" for each in options),
        "",
    ]


def with_parameters(text: str) -> str:
    """Return the schema of a result with the parameters that its provenance records."""
    found = ScoreOptions.model_json_schema(mode="serialization")["properties"]
    lines = {}
    for name, each in declared(ScoreOptions).items():
        if each.recorded:
            schema = {"description": each.option.help} | found[name]
            for key in ("title", "default"):
                schema.pop(key, None)
            lines[each.recorded] = json.dumps(schema)
    begin = text.index('"parameters": {') + len('"parameters": ')
    old, length = json.JSONDecoder().raw_decode(text[begin:])
    inner = ",\n".join(f'            "{key}": {schema}' for key, schema in lines.items())
    required = json.dumps(old["required"])  # Results of earlier versions have no others.
    made = (
        '{\n          "type": "object",\n'
        f'          "required": {required},\n'
        '          "properties": {\n'
        f'{inner},\n            "model_sha256": {{ "type": "object" }}\n          }}\n        }}'
    )
    return text[:begin] + made + text[begin + length :]


def with_tables(text: str) -> str:
    """Return the page on the interface with a table of options for each panel of the help."""
    return TABLES.sub(lambda found: f"{found[1]}\n{tables()}\n{found[2]}", text)


def tables() -> str:
    """Return the options of `score`, panel by panel."""
    panels: dict[str, list[str]] = {}
    for each in declared(ScoreOptions).values():
        flags = ", ".join(f"`{flag}`" for flag in each.flags)
        value = "" if each.python == "bool" else f" `{each.metavar}`".replace("|", "\\|")
        default = f" Default: {each.shown_default}." if each.shown_default else ""
        where = "" if each.option.concerns == "vmaf" else "yes"
        row = f"| {flags}{value} | {each.option.help}{default} | {where} |"
        panels.setdefault(each.option.panel, []).append(row)
    return "\n".join(
        f"**{panel}**\n\n| option | | also of `mask` |\n|---|---|---|\n" + "\n".join(rows) + "\n"
        for panel, rows in panels.items()
    )


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
