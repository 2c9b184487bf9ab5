"""Rod, coins, dome and entropy in a real browser: they draw what time makes of them, and say it to all."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

expect = pytest.importorskip("playwright.sync_api").expect

Visit = Callable[..., Any]


def _pixels(place: Any) -> np.ndarray[Any, Any]:  # noqa: ANN401
    return np.asarray(Image.open(io.BytesIO(place.screenshot())).convert("RGB")).astype(int)


def _seek(seat: Any, position: float) -> None:  # noqa: ANN401
    seat.page.locator("#timeline .scrub").evaluate(
        "(range, to) => { range.value = to; range.dispatchEvent(new Event('input')); }",
        round(1000 * position),
    )


def test_the_rod_comes_to_one_temperature_and_is_drawn_on(visit: Visit) -> None:
    seat = visit("#scene=rod", ready=False)
    rod = seat.page.locator(".plate.rod")
    expect(rod).to_have_attribute("aria-label", re.compile(r"differs from its mean by 0\.[3-9]"))
    before = _pixels(rod)
    _seek(seat, 1.0)
    expect(rod).to_have_attribute("aria-label", re.compile(r"by (0\.00|[0-9.]+·10⁻)"))
    assert np.abs(_pixels(rod) - before).mean() > 1
    box = rod.bounding_box()
    assert box is not None
    seat.page.mouse.move(box["x"] + 100, box["y"] + 60)
    seat.page.mouse.down()
    seat.page.mouse.move(box["x"] + 400, box["y"] + 120, steps=6)
    seat.page.mouse.up()
    assert seat.told("rod")
    again = visit(seat.page.url.split("/")[-1], ready=False)
    expect(again.page.locator(".plate.rod")).to_have_attribute(
        "aria-label", rod.get_attribute("aria-label") or ""
    )


def test_coins_end_fair_forward_and_begin_fair_backward(visit: Visit) -> None:
    seat = visit("#scene=coins&coins=32&rows=400", ready=False)
    bits = seat.page.locator(".panel .time")
    expect(bits).to_have_count(2)
    for panel in (0, 1):
        expect(bits.nth(panel)).to_have_text(re.compile(r"^1\d\.\d of 32 bits$"))
    _seek(seat, 1.0)
    for panel in (0, 1):
        expect(bits.nth(panel)).to_have_text("32.0 of 32 bits")


def test_the_dome_turns_by_keys_and_tells_how_even_it_is(visit: Visit) -> None:
    seat = visit("#scene=hemisphere&R=12&lines=40&t=1&data=two-moons", ready=False)
    dome = seat.page.locator(".plate.dome")
    expect(dome).to_have_attribute("aria-label", re.compile(r"40|evenly charged to 0\.[0-9]+ %"))
    before = _pixels(dome)
    dome.focus()
    seat.page.keyboard.press("ArrowLeft")
    seat.page.keyboard.press("ArrowUp")
    assert np.abs(_pixels(dome) - before).mean() > 0.2


def test_the_curve_of_entropy_follows_time_and_refuses_what_has_none(visit: Visit) -> None:
    seat = visit("#scene=entropy&data=two-moons&process=edm", ready=False)
    plate = seat.page.locator(".figure .plate")
    expect(plate).to_have_attribute("aria-label", re.compile(r"at the prior; here -"))
    _seek(seat, 1.0)
    expect(plate).to_have_attribute("aria-label", re.compile(r"here 1\d\.\d"))
    seat.page.get_by_role("radio", name="Capacitor").click()
    expect(seat.page.get_by_role("alert")).to_contain_text("has no curve of entropy")
