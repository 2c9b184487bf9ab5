"""Equations on the site: Unicode text with its indices and powers set as such, by HTML alone.

In the sources an equation is an indented block without a language, as in a docstring. Here `x_t` and
`e^{−λ_k τ}` get their subscripts and superscripts; in running text those of one letter or in braces do.
No script, no font and no network is needed to show them.
"""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes

# What tells a block of code in a docstring from mathematics.
CODE = re.compile(r"^\s*(from |import |unstir |python |OMP_|\$ |\w+ = unstir|--|[{}\[\]])", re.M)
BASE = r"[A-Za-zα-ωΑ-Ωᾱ∂∇Σ∫)\]’̄̂̇]"
BRACED = re.compile(r"([_^])\{([^{}]*)\}")
INDEX = re.compile(r"(?<=\S)([_^])([−-]?[A-Za-z0-9α-ω₊∥∞]+)")
# One letter, its index, and nothing that makes a name in Python of it.
INLINE = re.compile(r"(?<![\w.])([A-Za-zα-ωΑ-Ω]̂?|∂|Σ|∫|max|argmin)_([A-Za-z0-9α-ω]{1,3}|min|max)(?![\w(.])")


def set_in(text: str, block: bool) -> str:
    """HTML of a piece of text with its indices and powers raised and lowered."""
    out = html.escape(text, quote=False)
    tags = {"_": "sub", "^": "sup"}

    def braced(found: re.Match[str]) -> str:
        return f"<{tags[found[1]]}>{set_in(html.unescape(found[2]), True)}</{tags[found[1]]}>"

    out = BRACED.sub(braced, out)
    if block:
        return INDEX.sub(lambda found: f"<{tags[found[1]]}>{found[2]}</{tags[found[1]]}>", out)
    return INLINE.sub(r"\1<sub>\2</sub>", out)


def equation(text: str) -> str:
    """HTML of a block: a line each, columns that are three and more spaces apart kept apart."""
    lines = [re.sub(r"(?<=\S) {3,}", "   ", line) for line in text.split("\n")]
    return '<div class="equation" role="math">' + "\n".join(set_in(line, True) for line in lines) + "</div>"


def transform(app: Any, tree: nodes.document, name: str) -> None:  # noqa: ANN401
    """Set the equations of a page."""
    if app.builder.format != "html":
        return
    for block in list(tree.findall(nodes.literal_block)):
        if block.get("language", "default") in {"none", "default"} and not CODE.search(block.astext()):
            block.replace_self(nodes.raw("", equation(block.astext()), format="html"))
    for text in list(tree.findall(nodes.Text)):
        inside = (nodes.literal, nodes.literal_block, nodes.raw, nodes.FixedTextElement, nodes.title)
        parents, node = [], text.parent
        while node is not None:
            parents.append(node)
            node = node.parent
        if any(
            isinstance(one, inside) or (one.tagname.startswith("desc_") and one.tagname != "desc_content")
            for one in parents
        ):
            continue
        made = set_in(str(text), block=False)
        if "<sub>" in made or "<sup>" in made:
            text.parent.replace(text, nodes.raw("", made, format="html"))


def setup(app: Any) -> dict[str, bool]:  # noqa: ANN401
    """Listen for finished pages."""
    app.connect("doctree-resolved", transform)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
