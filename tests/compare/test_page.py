"""The report: whole in itself, valid, escaped."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from unstir.compare import Comparison
from unstir.compare.page import charts, pictures

from .conftest import Bench, bench

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Checked(HTMLParser):
    """Elements that close as they opened, with no attribute given twice."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.identities: list[str] = []
        self.charts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        given = dict(attrs)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        self.identities += [given["id"] or ""] if "id" in given else []
        self.charts += [given["data-figure"] or ""] if "data-figure" in given else []
        assert not any(name.startswith("on") for name in names), (tag, names)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.texts.append(data)


def checked(page: str) -> Checked:
    parser = Checked()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def test_the_report_is_whole_in_itself(moons: tuple[Bench, Comparison]) -> None:
    made, done = moons
    page = done.report.read_text("utf-8")
    parser = checked(page)
    assert all(link.startswith("data:image/png;base64,") for link in parser.links)
    assert len(parser.links) == 4  # a cloud of each process, of the fit and of real data
    assert "default-src 'none'" in page
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    assert style is not None
    assert not re.search(r"url\(|@import", style[1])
    assert page.count("plotly.js v") == 1  # the bundle, inlined once
    shown = " ".join(parser.texts)
    for name in (*made.plan.processes, "Gaussian fit", "real data"):
        assert name in shown
    for title in ("Samples", "Quality", "Tails", "Columns", "Memorisation", "Training, time and memory"):
        assert title in parser.texts
    assert "within noise" in shown
    # Every chart has its figure, which is JSON.
    assert len(parser.charts) == 7
    assert sorted(parser.charts) == sorted(parser.identities)
    figures = re.findall(r'<script type="application/json" id="[^"]+">(.*?)</script>', page, re.S)
    assert all(json.loads(figure)["data"] for figure in figures)


def test_names_from_outside_are_escaped(tmp_path: Path) -> None:
    folder = tmp_path / "<script>alert(1)</script>&\"'"
    folder.mkdir(parents=True)
    evil = '</script><img src=x onerror=alert(2)> <a href="http://evil.example">& "q"'
    path = folder / "a<b>.csv"
    rows = np.random.default_rng(0).normal(size=(150, 3))
    header = ",".join(['"' + evil.replace('"', '""') + '"', "b", "c"])
    path.write_text(
        header + "\n" + "\n".join(",".join(f"{v:.4f}" for v in row) for row in rows), encoding="utf-8"
    )
    done = bench(tmp_path / "out", path, ("edm",)).run()
    page = done.report.read_text("utf-8")
    parser = checked(page)
    assert not [link for link in parser.links if not link.startswith("data:")]
    assert "a<b>.csv" in " ".join(parser.texts)
    assert any("onerror" in text for text in parser.texts)  # shown as the text it is
    bundle = max(parser.scripts, key=len)
    assert "evil.example" not in bundle
    for figure in re.findall(r'<script type="application/json" id="[^"]+">(.*?)</script>', page, re.S):
        assert "<" not in figure
        assert "<a" not in json.dumps(json.loads(figure)).replace("<extra>", "")


def test_images_lie_side_by_side(tmp_path: Path) -> None:
    done = bench(tmp_path / "out", "digits", ("edm",), samples=40, evaluations=(2,)).run()
    parser = checked(done.report.read_text("utf-8"))
    assert len(parser.links) == 4  # real, fit, edm, and the pairs nearest to the training set
    assert "Tails" not in parser.texts


def test_a_grid_holds_every_pixel() -> None:
    from base64 import b64decode
    from io import BytesIO

    from PIL import Image

    images = torch.randint(256, (4, 3, 5, 6), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    uri = pictures.grid(images)
    found = np.array(Image.open(BytesIO(b64decode(uri.removeprefix("data:image/png;base64,")))))
    assert found.shape == (11, 13, 4)
    assert np.array_equal(found[6:, 7:, :3], images[3].permute(1, 2, 0).numpy())
    assert (found[5] == 0).all()  # clear between them


@pytest.mark.parametrize("values", [[0.0], [-0.01, 0.5], [3e-4, 0.11], [5.0, 900.0]])
def test_ticks_of_the_signed_root_stand_where_they_say(values: list[float]) -> None:
    ticks = charts._signed_ticks(values)
    places = sorted(ticks["tickvals"])
    said = sorted(float(text.replace("−", "-")) for text in ticks["ticktext"])
    assert places == pytest.approx([np.sign(value) * abs(value) ** 0.5 for value in said])
    assert 0 in places
    assert len(places) <= 9
    assert len(values) < 2 or len(places) >= 3
