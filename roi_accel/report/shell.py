"""What all pages have in common: a template that escapes, styles, scripts, and a policy.

A content security policy names the page's two scripts by their digests and allows no others and no
request at all, so that a name which slipped through the escaping could still do nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokeh.document import Document
from bokeh.resources import Resources
from jinja2 import Environment, FunctionLoader, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bokeh.plotting import figure

_COMMON = "theme.js"


def render(
    template: str,
    charts: Iterable[figure],
    *,
    styles: Sequence[str],
    script: str,
    **values: Any,  # noqa: ANN401 - whatever the template names
) -> bytes:
    """Return a page, HTML in UTF-8, which needs nothing else.

    Parameters
    ----------
    template : str
        One of this package that extends ``base.html``.
    charts : iterable of figure
        With names. They and BokehJS are the only other content that is not escaped.
    styles : sequence of str
        Style sheets of this package, in order.
    script : str
        The page's own, run after ``theme.js``, which draws the charts.
    **values
        What the template names; ``title``, ``eyebrow`` and ``warnings`` for the base.
    """
    document = Document()
    with document.models.freeze():  # each root that is added walks over all of them again
        for chart in charts:
            document.add_root(chart)
    roots = {str(root.name): str(root.id) for root in document.roots}
    resources = Resources(mode="inline", components=["bokeh"])
    bokeh = "\n".join(resources.js_raw)
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_asset),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    code = _asset(_COMMON) + _asset(script)
    text = environment.get_template(template).render(
        style="".join(map(_asset, styles)),
        bokeh=bokeh,
        script=code,
        policy=_policy([bokeh, code]),
        charts=_embedded({"document": document.to_json(deferred=False), "roots": roots}),
        bokeh_version=str(resources.version or ""),
        **values,
    )
    # A name that is not UTF-8 has lone surrogates, which are shown as they are in the JSON.
    return text.encode("utf-8", "backslashreplace")


def short_names(paths: Sequence[str]) -> list[str]:
    """Return file names, or whole paths where two files have one name."""
    names = [Path(path).name for path in paths]
    return names if len(set(names)) == len(names) else list(paths)


def _asset(name: str) -> str:
    return files("roi_accel.report").joinpath(name).read_text("utf-8")


def _policy(scripts: Sequence[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    # BokehJS puts style elements beside its canvases.
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"
    )


def _embedded(content: Mapping[str, Any]) -> str:
    """Return strict JSON for a ``<script type="application/json">``, which it cannot end."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
