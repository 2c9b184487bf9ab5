"""Data of one's own: drawn, typed, pasted, dropped; what is no data is refused where it stands."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

expect = pytest.importorskip("playwright.sync_api").expect

Visit = Callable[..., Any]


def warm(pixels: Any) -> Any:  # noqa: ANN401
    return pixels[..., 0] - pixels[..., 2] > 40


def test_draws_and_shares_what_was_drawn(visit: Visit) -> None:
    seat = visit("#n=300")
    page = seat.page
    page.get_by_role("button", name="Draw").click()
    expect(page.locator(".pad-hint")).to_be_visible()
    box = page.locator(".pad-canvas").bounding_box()
    middle, side = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), box["width"] / 4
    page.mouse.move(middle[0] - side, middle[1])
    page.mouse.down()
    page.mouse.move(*middle, steps=6)
    page.mouse.move(middle[0] + side, middle[1] - side, steps=6)
    page.mouse.up()
    page.wait_for_timeout(300)
    count = page.locator(".own").text_content()
    assert 20 < int(count.split()[0]) < 100
    page.get_by_role("button", name="Done").click()
    seat.settle()
    page.get_by_role("slider", name="Time, from data to prior").fill("250")
    assert seat.told("t") == "0.25"
    assert (seat.told("data") or "").startswith("points:")

    again = visit(at=page.url)
    assert again.times == seat.times
    assert again.page.locator(".own").text_content() == count
    for plate in ("forward", "backward"):
        ours, theirs = seat.seen(plate), again.seen(plate)
        assert np.abs(ours - theirs).mean() < 0.5
        assert np.ptp(ours) > 100


def test_one_point_is_an_electron_and_keys_can_set_it(visit: Visit) -> None:
    seat = visit("#n=300")
    page = seat.page
    page.keyboard.press("w")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".own")).to_have_text("One point: an electron and its field.")
    page.keyboard.press("Escape")
    expect(page.locator(".pad")).to_have_count(0)
    seat.settle()
    page.keyboard.press("Home")
    page.wait_for_timeout(200)
    rows, columns = np.nonzero(warm(seat.seen()))
    assert len(rows) > 0
    assert max(np.ptp(rows), np.ptp(columns)) < 20


def test_types_a_word(visit: Visit) -> None:
    seat = visit("#n=1500&process=vp")
    seat.page.get_by_role("button", name="Word").click()
    seat.page.get_by_label("Word", exact=True).fill("ill")
    seat.page.wait_for_timeout(400)
    seat.settle()
    assert seat.told("data") == "word:ill"
    seat.page.keyboard.press("Escape")
    columns = np.nonzero(warm(seat.seen()))[1]
    strokes = np.histogram(columns, np.arange(columns.min(), columns.max() + 8, 4))[0] > 0
    assert np.sum(np.diff(np.r_[0, strokes.astype(int)]) == 1) == 3  # i, l, l


def test_takes_a_picture_and_numbers(visit: Visit, tmp_path: Path) -> None:
    seat = visit("#n=300")
    picture = Image.new("RGB", (300, 300), "white")
    ImageDraw.Draw(picture).rectangle((0, 0, 90, 299), fill="black")
    picture.save(tmp_path / "bar.png")
    upload = seat.page.get_by_label("A picture or a file of numbers")
    upload.set_input_files(tmp_path / "bar.png")
    seat.page.wait_for_timeout(300)
    seat.settle()
    assert (seat.told("data") or "").startswith("picture:")
    rows, columns = np.nonzero(warm(seat.seen()))
    assert np.ptp(rows) > 2 * np.ptp(columns)  # the bar stands upright

    (tmp_path / "line.csv").write_text("x,y\n" + "\n".join(f"{i},0" for i in range(50)))
    upload.set_input_files(tmp_path / "line.csv")
    seat.page.wait_for_timeout(300)
    seat.settle()
    rows, columns = np.nonzero(warm(seat.seen()))
    assert np.ptp(columns) > 4 * np.ptp(rows)


def test_says_in_place_what_is_wrong_with_a_file_and_goes_on(visit: Visit, tmp_path: Path) -> None:
    seat = visit("#n=300")
    upload = seat.page.get_by_label("A picture or a file of numbers")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    upload.set_input_files(tmp_path / "broken.png")
    expect(seat.page.locator(".notice.error")).to_contain_text("cannot be read")

    (tmp_path / "words.csv").write_text("1,2\nhello,3\n")
    upload.set_input_files(tmp_path / "words.csv")
    trouble = seat.page.locator(".trouble")
    expect(trouble).to_be_visible()
    expect(trouble).to_contain_text("line 2 is 'hello,3'")

    seat.page.get_by_role("radio", name="Two moons").click()
    expect(trouble).to_be_hidden()
    seat.settle()


def test_pastes_numbers(visit: Visit) -> None:
    seat = visit("#n=300")
    seat.page.get_by_role("button", name="Numbers").click()
    seat.page.get_by_label("Two columns of numbers").fill("0 0\n1 1\n")
    seat.page.get_by_role("button", name="Use them").click()
    seat.page.wait_for_timeout(200)
    seat.settle()
    assert warm(seat.seen()).sum() > 5


def test_an_unknown_link_is_told_in_place(visit: Visit) -> None:
    seat = visit("#process=phlogiston", ready=False)
    expect(seat.page.locator(".trouble")).to_contain_text("phlogiston")
    seat.page.get_by_role("radio", name="EDM").click()
    seat.settle()
    expect(seat.page.locator(".trouble")).to_be_hidden()


def test_saves_a_picture_of_what_is_seen(visit: Visit) -> None:
    seat = visit("#n=300", dark=True)
    seat.page.keyboard.press("s")
    with seat.page.expect_download() as found:
        seat.page.get_by_role("button", name="Picture").last.click()
    assert found.value.suggested_filename == "unstir.png"
    picture = np.asarray(Image.open(io.BytesIO(found.value.path().read_bytes())).convert("RGB")).astype(int)
    assert picture.shape[1] > 1.2 * picture.shape[0]
    half = picture.shape[1] // 2
    assert (picture[:, :half, 0] - picture[:, :half, 2] > 40).sum() > 300
    assert (picture[:, half:, 2] - picture[:, half:, 0] > 40).sum() > 300
