"""Rod, coins, dome and entropy in a real browser: they draw what time makes of them, and say it to all."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.lab.browser.conftest import Server

expect = pytest.importorskip("playwright.sync_api").expect
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

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
    drawn = seat.told("rod")
    assert drawn
    rod.focus()
    for key in ("ArrowRight", "ArrowUp", "ArrowUp", "ArrowUp"):
        seat.page.keyboard.press(key)
    assert seat.told("rod") not in (None, drawn)
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
    turned = _pixels(dome)
    seat.page.keyboard.press("n")
    assert np.abs(_pixels(dome) - turned).max() > 60  # a line is followed
    seat.page.keyboard.press("Escape")
    assert np.abs(_pixels(dome) - turned).max() < 60
    assert np.abs(_pixels(dome) - before).mean() > 0.2


def test_the_curve_of_entropy_follows_time_and_refuses_what_has_none(visit: Visit) -> None:
    seat = visit("#scene=entropy&data=two-moons&process=edm", ready=False)
    plate = seat.page.locator(".figure .plate")
    expect(plate).to_have_attribute("aria-label", re.compile(r"at the prior; here -"))
    _seek(seat, 1.0)
    expect(plate).to_have_attribute("aria-label", re.compile(r"here 1\d\.\d"))
    seat.page.get_by_role("radio", name="Capacitor").click()
    expect(seat.page.get_by_role("alert")).to_contain_text("has no curve of entropy")


def test_a_network_is_trained_live_and_its_field_seen_in_explore(visit: Visit) -> None:
    seat = visit("#scene=train&process=edm&data=two-moons&train=100&width=16&n=200", ready=False)
    page = seat.page
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".margin [role=status]")).to_contain_text("100 of 100 steps", timeout=60_000)
    expect(page.get_by_role("button", name="Train anew")).to_be_visible()
    error = page.locator(".quarters .plate").nth(2)
    expect(error).to_have_attribute(
        "aria-label", re.compile(r"After 100 of 100 steps the field is off by 0\.\d+")
    )
    page.get_by_role("button", name="See it in Explore").click()
    seat.settle()
    assert seat.told("field") == "neural:train"
    expect(page.locator(".trouble")).to_be_hidden()


def test_a_run_is_born_step_by_step_and_given_what_is_seen(visit: Visit) -> None:
    seat = visit("#scene=runs", ready=False)
    page = seat.page
    expect(page.get_by_role("combobox", name="Run", exact=True)).to_have_value("small-digits")
    expect(page.locator(".panel .time").first).to_have_text("done", timeout=60_000)
    nearest = page.locator(".plate.nearest")
    expect(nearest).to_have_attribute("aria-label", re.compile(r"\d\.\d\d times as far"))
    born = _pixels(page.locator(".births .plate").first)
    _seek(seat, 1.0)
    expect(page.locator(".panel .time").first).to_have_text(re.compile(r"step 0 of \d+"))
    assert np.abs(_pixels(page.locator(".births .plate").first) - born).mean() > 5
    page.get_by_role("radio", name="A hole").click()
    expect(page.locator(".panel .time").first).to_have_text("done", timeout=60_000)
    assert seat.told("seen") == "hole"


@pytest.mark.parametrize("narrow", [False, True])
def test_where_there_are_no_runs_the_page_says_how_to_have_one(visit: Visit, narrow: bool) -> None:
    server = Server()
    server.start()
    try:
        seat = visit(at=f"{server.url}#scene=runs", narrow=narrow, ready=False)
        page = seat.page
        expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
        expect(page.locator(".empty .code")).to_contain_text("unstir train --data digits")
        expect(page.locator(".plate, .panel")).to_have_count(0)
        expect(page.locator("#timeline")).to_be_hidden()
        found = axe.Axe().run(page).response["violations"]
        assert [f"{one['id']}: {node['html'][:140]}" for one in found for node in one["nodes"]] == []
        page.get_by_role("link", name="Train").last.click()
        expect(page.locator(".plate canvas").first).to_be_attached()
    finally:
        server.stop()


@pytest.mark.parametrize("scene", ["rod", "coins", "hemisphere", "entropy", "train", "runs", "learn"])
def test_axe_finds_nothing_and_narrow_screens_cut_nothing_off(visit: Visit, scene: str) -> None:
    dark = scene in ("coins", "entropy", "learn")
    seat = visit(f"#scene={scene}&n=200&rows=200", dark=dark, narrow=True, ready=False)
    expect(seat.page.locator(".plate canvas").first).to_be_attached()
    seat.page.wait_for_timeout(700)
    found = axe.Axe().run(seat.page).response["violations"]
    assert [f"{one['id']}: {node['html'][:140]}" for one in found for node in one["nodes"]] == []
    wide = seat.page.evaluate(
        "document.querySelector('#view').scrollWidth - document.querySelector('#view').clientWidth"
    )
    assert wide <= 0  # nothing is cut off on a narrow screen
