"""What is taken home: the Python, a GIF, a video; and what lies between the particles."""

from __future__ import annotations

import ast
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

expect = pytest.importorskip("playwright.sync_api").expect

Visit = Callable[..., Any]


def test_shows_the_python(visit: Visit) -> None:
    seat = visit("#n=300&process=yukawa:kappa=0.5")
    seat.page.get_by_role("button", name="Share").click()
    seat.page.get_by_role("button", name="Show the Python").click()
    code = seat.page.get_by_label("Python", exact=True)
    expect(code).to_contain_text("yukawa:kappa=0.5")
    ast.parse(code.text_content())
    assert "n, seed = 300, 0" in code.text_content()


def test_saves_a_gif_that_moves_there_and_back(visit: Visit) -> None:
    seat = visit("#n=300&t=0.25&process=vp")
    seat.page.keyboard.press("s")
    with seat.page.expect_download() as found:
        seat.page.get_by_role("button", name="GIF").click()
    film = Image.open(io.BytesIO(found.value.path().read_bytes()))
    assert film.format == "GIF"
    frames, length = [], 0
    for number in range(film.n_frames):
        film.seek(number)
        frames.append(np.asarray(film.convert("RGB")).astype(int))
        length += film.info["duration"]
    assert length == 36 * 80  # milliseconds; equal pictures are one, shown longer
    change = [np.abs(frame - frames[0]).mean() for frame in frames]
    assert 0.25 < np.argmax(change) / len(frames) < 0.75  # farthest from the start about the middle
    assert change[-1] < 0.5 * max(change)
    seat.page.keyboard.press("Escape")
    assert seat.told("t") == "0.25"


def test_saves_a_video(visit: Visit) -> None:
    seat = visit("#n=100&process=vp")
    seat.page.keyboard.press("s")
    with seat.page.expect_download() as found:
        seat.page.get_by_role("button", name="Video").click()
    content = found.value.path().read_bytes()
    assert found.value.suggested_filename in ("unstir.mp4", "unstir.webm")
    assert content[4:8] == b"ftyp" or content[:4] == b"\x1a\x45\xdf\xa3"
    assert len(content) > 10_000


def test_each_layer_is_drawn_and_taken_away(visit: Visit) -> None:
    seat = visit("#n=20&t=0.4&data=gaussians8")
    bare = {plate: seat.seen(plate) for plate in ("forward", "backward")}
    for layer in ("arrows", "lines", "density", "potential", "items"):
        chip = seat.page.locator(f".chip[data-value={layer}]")
        chip.click()
        for plate, before in bare.items():
            for _ in range(100):
                changed = (np.abs(seat.seen(plate) - before).max(2) > 8).mean()
                if changed > 0.002:
                    break
                seat.page.wait_for_timeout(200)
            assert changed > 0.002, (layer, plate)
        assert seat.told("view") == layer
        chip.click()
        seat.page.wait_for_timeout(100)
        assert np.array_equal(seat.seen(), bare["forward"]), layer


def test_arrows_point_where_each_way_goes(visit: Visit) -> None:
    """Forward and backward arrows are the same lines with their heads at the other ends."""
    page = visit("#n=20").page
    heads = page.evaluate("""async () => {
        const { drawArrows } = await import("/js/explore/fieldlayer.js");
        const arrows = { data: new Float32Array([0, 0, 3, 0]), shape: [1, 4] };
        const frame = { header: { half: 1 }, arrays: { arrows } };
        return [1, -1].map((direction) => {
            const canvas = new OffscreenCanvas(100, 100);
            const pen = canvas.getContext("2d");
            drawArrows(pen, { width: 100, height: 100, half: 1 }, frame, "#000", direction);
            const { data } = pen.getImageData(0, 0, 100, 100);
            const ink = [0, 0];
            for (let i = 0; i < 10000; i++) ink[i % 100 < 50 ? 0 : 1] += data[4 * i + 3];
            return ink[1] > ink[0];
        });
    }""")
    assert heads == [True, False]
