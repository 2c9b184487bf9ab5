"""The finished site fetches nothing: no script, style, font or picture from another host."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.errors import ExtensionError

FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|link)\b[^>]*?(?:src|href)\s*=\s*["']((?:https?:)?//[^"']+)["'][^>]*>"""
    r"""|url\(\s*["']?((?:https?:)?//[^"')]+)|@import\s+["']((?:https?:)?//[^"']+)""",
    re.I,
)


def fetched(text: str) -> list[str]:
    """What a page or a style sheet would fetch from elsewhere."""
    return ["".join(found.groups(default="")) for found in FETCHED.finditer(text)]


def check(app: Any, error: Exception | None) -> None:  # noqa: ANN401
    """Raise where a file of the site would fetch something."""
    if error is not None or app.builder.format != "html":
        return
    for file in Path(app.outdir).rglob("*"):
        if file.suffix in {".html", ".css"}:
            found = fetched(file.read_text("utf-8"))
            if found:
                raise ExtensionError(f"{file}: would fetch {found[0]}")


def setup(app: Any) -> dict[str, bool]:  # noqa: ANN401
    """Listen."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True}
