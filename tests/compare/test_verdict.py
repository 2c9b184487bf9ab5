"""Who wins, and how it is said, on figures made up."""

from __future__ import annotations

import json

from unstir.compare.conclusion import against, copying, headline, margins, signed, speed
from unstir.compare.verdict import Question, Verdict, judge
from unstir.measure.bootstrap import Estimate

from .conftest import estimate

ASKED = Question("energy_distance", "quality", "energy distance")
OTHERS = {"Gaussian fit": estimate(0.5, seed=98), "real data": estimate(0.0, seed=99)}


def verdict(**rows: Estimate) -> Verdict:
    return judge(ASKED, rows | OTHERS, list(rows))


def test_a_clear_winner_is_called_one() -> None:
    found = verdict(a=estimate(0.2, seed=1), b=estimate(0.1, seed=2), c=estimate(0.4, seed=3))
    assert found.leaders == ("b",)
    assert found.behind == ("a", "c")
    assert headline(found, "Gaussian fit") == (
        "b is best, ahead of every other process by more than noise (energy distance: 0.1)."
    )
    assert "within noise" not in " ".join(margins(found))
    assert margins(found)[0].startswith("Quality, a minus b: +0.1, interval +0.0")


def test_a_tie_is_no_win() -> None:
    found = verdict(a=estimate(0.101, seed=1), b=estimate(0.1, seed=2))
    assert found.leaders == ("b", "a")
    said = headline(found)
    assert said.startswith("b and a cannot be told apart: their differences in energy distance are within")
    assert said.endswith(" noise. No process wins.")
    assert margins(found)[0].endswith("within noise")


def test_a_tie_at_the_top_with_one_behind() -> None:
    found = verdict(a=estimate(0.101, seed=1), b=estimate(0.1, seed=2), c=estimate(0.3, seed=3))
    assert headline(found).endswith("within noise. c is behind b by more than noise.")


def test_a_small_difference_is_seen_where_both_scatter_alike() -> None:
    """Paired: figures that move together differ though their own intervals overlap."""
    common = estimate(0.1, 0.05, seed=1)
    shifted = Estimate(0.12, common.draws + 0.02 + 0.1 * (estimate(0, 0.01, seed=2).draws))
    found = verdict(a=common, b=shifted)
    assert common.interval().high > shifted.value
    assert found.leaders == ("a",)
    alone = verdict(a=common, b=estimate(0.12, 0.05, seed=3))
    assert alone.leaders == ("a", "b")


def test_a_lead_without_worth_is_said_to_be_so() -> None:
    found = verdict(a=estimate(0.7, seed=1), b=estimate(0.9, seed=2))
    assert headline(found, "Gaussian fit").endswith("But a Gaussian fit does better.")
    assert "a and b are worse than a Gaussian fit" in " ".join(against(found, "Gaussian fit", "real data"))
    level = verdict(a=estimate(0.5, seed=1), b=estimate(0.9, seed=2))
    assert headline(level, "Gaussian fit").endswith("But a Gaussian fit does as well.")


def test_the_level_of_real_data_is_noticed() -> None:
    found = verdict(a=estimate(0.005, seed=1), b=estimate(0.2, seed=2))
    said = against(found, "Gaussian fit", "real data")
    assert "a and b beat a Gaussian fit of the training data." in said
    assert any(line.startswith("a is within noise of real data") for line in said)
    assert "No process has reached the level of real data yet." in against(
        verdict(b=estimate(0.2, seed=2)), "Gaussian fit", "real data"
    )


def test_copies_are_named() -> None:
    new = {"memorisation_share": {"value": 0.5, "low": 0.45, "high": 0.55}}
    new |= {"memorisation_ratio": {"value": 1.0, "low": 0.9, "high": 1.1}}
    copy = {"memorisation_share": {"value": 0.9, "low": 0.85, "high": 0.95}}
    copy |= {"memorisation_ratio": {"value": 0.1, "low": 0.05, "high": 0.2}}
    assert copying({"a": new, "b": copy}, ["a", "b"]).startswith("b: samples lie clearly nearer")
    assert copying({"a": new}, ["a"]).startswith("No process shows copying")


def cost(rate: float, device: str = "cpu") -> dict[str, object]:
    return {"items_per_second": rate, "device": device}


def test_speed_is_told_where_it_differs() -> None:
    assert (
        speed({"a": cost(100), "b": cost(150)}, by_time=True)
        == "b trained 1.5 times as many items a second as a."
    )
    assert "busy" in (speed({"a": cost(100), "b": cost(250)}, by_time=True) or "")
    assert "busy" not in (speed({"a": cost(100), "b": cost(250)}, by_time=False) or "")
    assert "busy" not in (speed({"a": cost(100), "b": cost(250, "cuda")}, by_time=True) or "")
    assert speed({"a": cost(100), "b": cost(101)}, by_time=True) == "All trained at about the same speed."
    assert speed({"a": cost(100)}, by_time=True) is None


def test_a_verdict_comes_back_from_json() -> None:
    found = verdict(a=estimate(0.2, seed=1), b=estimate(0.1, seed=2))
    assert Verdict.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert signed(-0.0123) == "−0.012"
