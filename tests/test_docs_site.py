"""How the site is made of the pages: links, docstrings, equations, nothing fetched. `make docs` builds it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "_extensions"


def extension(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_links_out_of_the_docs_lead_to_pages(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    (docs / "site").mkdir(parents=True)
    log = "docs/site/changelog.md"
    for file in ("docs/data.md", log, "CHANGELOG.md", "docs/site/bench.md", "setup.py", "notes"):
        (tmp_path / file).touch()
    pages = {tmp_path / "CHANGELOG.md": docs / "site" / "changelog.md"}
    turned = extension("outside").turned

    def on(text: str, file: str, page: str) -> str:
        made: str = turned(text, tmp_path / file, tmp_path / page, docs, pages)
        return made

    page = "docs/data.md"
    assert on("[c](../CHANGELOG.md#one)", page, page) == "[c](site/changelog.md#one)"
    assert on("[notes](../notes) and [here](#x)", page, page) == "notes and [here](#x)"
    assert on("[`s`](../setup.py)", page, page) == '<a href="files/setup.html">`s`</a>'
    assert on("[s](setup.py)", "CHANGELOG.md", log) == '<a href="../files/setup.html">s</a>'
    assert on("[d](docs/data.md)", "CHANGELOG.md", log) == "[d](../data.md)"
    assert on("![](docs/data.md)", "CHANGELOG.md", log) == "![](../data.md)"
    code = "```text\n[c](../CHANGELOG.md)\n```\n"
    assert on(code, page, page) == code


def test_docstrings_become_restructured_text() -> None:
    converted = extension("docstrings").converted
    assert converted(["Of `x*y`, |x| and x_ *."]) == ["Of ``x*y``, \\|x\\| and x\\_ \\*."]
    assert converted(["The flow", "", "    dx = f x dt", "", "is linear."]) == [
        "The flow",
        "",
        "::",
        "",
        "    dx = f x dt",
        "",
        "",
        "is linear.",
    ]
    section = ["Args:", "    x: `(n, d)`.", "", "Returns:", "    y."]
    assert converted(section) == ["Args:", "    x: ``(n, d)``.", "", "Returns:", "    y."]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("x_t = A_t y", "x<sub>t</sub> = A<sub>t</sub> y"),
        ("e^{−λ_k τ}", "e<sup>−λ<sub>k</sub> τ</sup>"),
        ("E e^{−k^{α/2}}", "E e<sup>−k<sup>α/2</sup></sup>"),
        ("σ_max^2 < 1", "σ<sub>max</sub><sup>2</sup> &lt; 1"),
        ("a = 1     b = 2", "a = 1   b = 2"),
    ],
)
def test_equations_are_set(text: str, html: str) -> None:
    assert f">{html}<" in extension("equations").equation(text)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("at x_t and λ_k", "at x<sub>t</sub> and λ<sub>k</sub>"),
        ("p_t(x), B_t² and c_skip x", "p<sub>t</sub>(x), B<sub>t</sub>² and c<sub>skip</sub> x"),
        ("(b/a)^t and χ²_D", "(b/a)<sup>t</sup> and χ²<sub>D</sub>"),
        ("t_min of log_prior(x)", "t<sub>min</sub> of log_prior(x)"),
        ("sample_steps, heat_poisson", "sample_steps, heat_poisson"),
    ],
)
def test_names_in_prose_stay_names(text: str, html: str) -> None:
    assert extension("equations").set_in(text, block=False) == html


def test_what_would_be_fetched_is_seen() -> None:
    fetched = extension("offline").fetched
    assert fetched('<script src="https://cdn.example/x.js"></script>') == ["https://cdn.example/x.js"]
    assert fetched('<link rel="stylesheet" href="//cdn.example/x.css">') == ["//cdn.example/x.css"]
    assert fetched("body { background: url(https://x.example/a.png) }") == ["https://x.example/a.png"]
    assert fetched('<a href="https://example.org">read</a><img src="_images/a.png">') == []
