"""Edits of given items: on exact fields, where what should come is known, and by the verb on a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import kstest
from torch import Tensor
from typer.testing import CliRunner, Result

import unstir
from unstir.cli import app
from unstir.editing import in_classes, interpolate, partial_times, relabel, round_trip, vary
from unstir.fields import ExactField, MixtureField
from unstir.flow import default_solver, encode
from unstir.physics import LinearProcess, parse
from unstir.rows import picture_of_rows
from unstir.run import Run
from unstir.untrained import Untrained

Refused = Callable[..., str]
runner = CliRunner()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on digits that has learned little."""
    path = tmp_path_factory.mktemp("runs") / "digits"
    options = {"width": 8, "layers": 1, "middle": 1}
    return unstir.fit("edm", "digits", steps=3, batch=8, out=path, network_options=options)


@pytest.fixture(scope="module")
def digits() -> Tensor:
    return unstir.data.load("digits").values


def table(n: int = 400) -> Tensor:
    return torch.tensor([3.0, -2.0]) + torch.randn((n, 2), generator=torch.Generator().manual_seed(0))


def normal(name: str = "edm") -> Untrained:
    """A process with the exact field of a normal law with the table's mean and deviation."""
    exact = unstir.exact(name, table())
    law = (torch.ones(1), torch.zeros(1, 2), torch.tensor([0.25]))
    object.__setattr__(exact, "field", MixtureField(exact.process, *law))
    return exact


@pytest.mark.parametrize("name", ["edm", "vp", "poisson:D=128", "blurring"])
def test_a_round_trip_gives_items_back(name: str) -> None:
    source = normal(name)
    trip = round_trip(source, table()[:20])
    torch.testing.assert_close(trip.values, table()[:20], rtol=0, atol=5e-3)
    assert trip.error.shape == (20,)
    assert trip.rms < 2e-3
    coarse = round_trip(source, table()[:20], steps=4)
    assert coarse.rms > trip.rms


def test_a_digit_comes_back_from_a_run(run: Run, digits: Tensor) -> None:
    trip = round_trip(run, digits[:3], steps=12)
    change = (trip.values.double() - digits[:3].double()).flatten(1).square().mean(1).sqrt()
    std = run.scaling.to_dict()["scale"][0] / 2
    torch.testing.assert_close(trip.error, change / std, rtol=0.2, atol=0.4 / std)


def test_interpolation_has_the_items_at_its_ends(run: Run, digits: Tensor) -> None:
    found = interpolate(run, digits[:2], digits[2:4], frames=3, steps=12)
    assert (found.shape, found.dtype) == ((2, 3, 1, 8, 8), torch.uint8)
    ends = round_trip(run, digits[:4], steps=12).values
    assert int((found[:, 0].int() - ends[:2].int()).abs().max()) <= 1
    assert int((found[:, 2].int() - ends[2:].int()).abs().max()) <= 1
    assert int((found[:, 1].int() - found[:, 0].int()).abs().max()) > 20


def test_between_two_items_of_a_normal_law_is_their_great_circle() -> None:
    # The flow is a scaling, so that items go as states do.
    source = normal()
    a, b = table()[:5], table()[5:10]
    found = interpolate(source, a, b, frames=5)
    x, y, z = (source.scaling.to_model(part) for part in (a, b, found[:, 2]))
    radius = (x.norm(dim=1) * y.norm(dim=1)).sqrt()
    torch.testing.assert_close(z.norm(dim=1), radius, rtol=0, atol=2e-3)
    half = x / x.norm(dim=1, keepdim=True) + y / y.norm(dim=1, keepdim=True)
    torch.testing.assert_close(
        z / z.norm(dim=1, keepdim=True), half / half.norm(dim=1, keepdim=True), rtol=0, atol=1e-2
    )


def test_variations_of_no_strength_are_the_items_and_of_all_a_sample(run: Run, digits: Tensor) -> None:
    still = vary(run, digits[:3], strength=0, samples=2)
    assert torch.equal(still, digits[:3, None].expand(-1, 2, -1, -1, -1))
    fresh = vary(run, digits[:3], strength=1, samples=2, label="4", seed=7)
    expected = run.sample(6, label="4", seed=7)
    assert int((fresh.flatten(0, 1).int() - expected.int()).abs().max()) <= 1


def test_a_variation_takes_the_times_that_were_tuned(run: Run, digits: Tensor, tmp_path: Path) -> None:
    usual = default_solver(run.process).times(run.process, 4)
    tuned = [usual[0], 3.0, 0.5, usual[-1]]
    entry = {"solver": "multistep", "times": tuned, "trained": 3, "usual_rms": 1.0, "rms": 0.5}
    text = json.dumps({"process": run.process.name, "tuned": [entry]})
    (tmp_path / "times.json").write_text(text)
    moved = replace(run, path=tmp_path)
    fresh = vary(moved, digits[:2], strength=1, steps=4, label="4", seed=7)[:, 0]
    assert torch.equal(fresh, moved.sample(2, label="4", steps=4, seed=7))
    assert not torch.equal(fresh, run.sample(2, label="4", steps=4, seed=7))
    # Other numbers of steps, and other solvers, keep their own.
    for options in ({"steps": 5}, {"steps": 4, "solver": "heun"}):
        found = [vary(one, digits[:2], strength=0.5, seed=7, **options) for one in (run, moved)]
        assert torch.equal(*found)


def test_a_variation_of_a_normal_law_is_of_the_law_it_should_be() -> None:
    # y + σ ε, then the flow of N(0, ¼) from σ down: a scaling by ½/√(¼ + σ²).
    source = normal()
    process = source.process
    strength = 0.5
    solver = default_solver(process)
    time = partial_times(solver.times(process, solver.usual_steps(process)), strength)[0]
    sigma = float(process.B(torch.tensor(time).double()))
    item = torch.tensor([[4.0, -2.0]])
    found = source.scaling.to_model(vary(source, item, strength=strength, samples=1500)[0])
    y = source.scaling.to_model(item)
    factor = 0.5 / (0.25 + sigma**2) ** 0.5
    standard = (found - factor * y) / (factor * sigma)
    assert kstest(standard.flatten().numpy(), "norm").pvalue > 1e-3
    assert 0.2 < sigma < 1
    # Of strength 1 the data's law, whatever the item.
    fresh = source.scaling.to_model(vary(source, 3 * item, strength=1, samples=1500)[0])
    assert kstest((fresh / 0.5).flatten().numpy(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("name", ["langevin", "kac", "heat", "levy"])
def test_every_family_varies_and_comes_back(name: str, digits: Tensor, tmp_path: Path) -> None:
    options = {"width": 8, "layers": 1, "middle": 1}
    run = unstir.fit(name, "digits", steps=2, batch=8, out=tmp_path, network_options=options)
    found = vary(run, digits[:2], strength=0.2, steps=6)
    near = (found[:, 0].double() - digits[:2].double()).square().mean()
    assert float(near) < float((digits[:2].double() - digits[2:4].double()).square().mean())
    assert round_trip(run, digits[:2], steps=8).values.shape == (2, 1, 8, 8)


def test_what_comes_depends_on_no_batch(run: Run, digits: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_of() -> list[Tensor]:
        return [
            vary(run, digits[:2], strength=0.4, samples=3, steps=6, seed=2),
            interpolate(run, digits[:2], digits[2:4], frames=3, steps=6),
            relabel(run, digits[:4], "3", label="all", steps=6),
        ]

    whole = all_of()
    monkeypatch.setattr("unstir.editing.BATCH", 2)
    for one, other in zip(whole, all_of(), strict=True):
        assert int((one.int() - other.int()).abs().max()) <= 1


def test_relabelling_goes_by_both_classes() -> None:
    # Of two normal laws, one for each class, an item keeps its place within its own.
    values = torch.cat([table(200), table(200) + 20])
    source = unstir.data.Dataset(
        "two", "table", values, torch.arange(400) // 200, ("near", "far"), ("a", "b")
    )
    exact = unstir.exact("edm", source)
    process = exact.process
    middles = torch.stack([exact.scaling.to_model(values[k * 200 : (k + 1) * 200]).mean(0) for k in (0, 1)])
    fields = [MixtureField(process, torch.ones(1), m[None], torch.tensor([0.01])) for m in middles]

    class Told:
        def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
            return self.at(float(t[0]))(x, label)

        def at(self, t: float) -> Callable[[Tensor, Tensor | None], Tensor]:
            def answer(x: Tensor, label: Tensor | None) -> Tensor:
                assert label is not None
                both = torch.stack([field.at(t)(x, None) for field in fields])
                return both[label, torch.arange(len(x))]

            return answer

    object.__setattr__(exact, "field", Told())
    found = exact.scaling.to_model(relabel(exact, values[:6], "far", label="near", steps=60))
    expected = exact.scaling.to_model(values[:6]) - middles[0] + middles[1]
    # σ_max = 80 leaves 1e-2 of the shift of the prior.
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-2)
    same = exact.scaling.to_model(relabel(exact, values[:6], "near", label="near", steps=60))
    torch.testing.assert_close(same, exact.scaling.to_model(values[:6]), rtol=0, atol=2e-3)
    both = exact.scaling.to_model(in_classes(exact, values[:6], ["far", "near"], label="near", steps=60))
    assert torch.equal(both, torch.stack([found, same], 1))


def test_the_exact_field_brings_back_data_alone(digits: Tensor) -> None:
    source = unstir.exact("edm", "digits", limit=60, labels=False)
    assert isinstance(source.field, ExactField)
    blend = interpolate(source, source.data.values[:3], source.data.values[3:6], frames=4, steps=20)
    nearest = torch.cdist(blend.flatten(0, 1).flatten(1).double(), source.data.values.flatten(1).double())
    assert float(nearest.min(1).values.median()) < 10


def test_steps_of_the_flow_are_those_of_encode() -> None:
    source = normal()
    assert isinstance(source.process, LinearProcess)
    x = source.scaling.to_model(table()[:3])
    assert encode(source.process, source.field, x).dtype == torch.float32


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: vary(s, table()[:2], strength=1.5), "strength=1.5: give 0"),
        (lambda s: vary(s, table()[:2], strength=0.5, samples=0), "samples=0: give 1 or more"),
        (lambda s: vary(s, table()[:2], strength=0.5, steps=1), "two steps or more"),
        (lambda s: vary(s, table()[:2], strength=0.5, solver="adaptive"), "walks samples together"),
        (lambda s: vary(s, torch.zeros(2, 3), strength=0.5), "give one item or more of (2,)"),
        (lambda s: interpolate(s, table()[:2], table()[:2], frames=1), "frames=1: give 2 or more"),
        (lambda s: interpolate(s, table()[:2], table()[:3]), "give as many of each"),
        (lambda s: round_trip(s, table()[:2], steps=0), "steps=0: give 1 or more"),
        (lambda s: relabel(s, table()[:2], "a"), "have no labels"),
    ],
)
def test_bad_input_is_named(call: Callable[[Untrained], Any], words: str, refused: Refused) -> None:
    assert words in refused(call, normal())


@pytest.mark.parametrize("name", ["coins:T=10", "capacitor", "bridge"])
def test_processes_without_a_flow_are_refused(name: str, tmp_path: Path, refused: Refused) -> None:
    images = torch.randint(0, 256, (20, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    options: dict[str, Any] = {"network_options": {"width": 8, "layers": 1, "middle": 1}}
    if name.startswith("coins"):
        options = {"network": "mlp", "network_options": {"width": 16}}
    run = unstir.fit(name, images, steps=1, batch=4, out=tmp_path, **options)
    assert "cannot begin half-way" in refused(vary, run, images[:2], strength=0.5)
    assert "no flow from data to a known prior" in refused(round_trip, run, images[:2])


def call(run: Run, how: str, *options: object) -> Result:
    return runner.invoke(app, ["edit", str(run.path), how, "--device", "cpu", *map(str, options)])


@pytest.mark.parametrize(
    ("how", "options", "count"),
    [
        ("roundtrip", [], 4),
        ("interpolate", ["--frames", 3], 3),
        ("vary", ["--samples", 2, "--strength", 0.5], 6),
        ("relabel", ["--to", "1,7", "--label", "own"], 6),
    ],
)
def test_the_verb_writes_rows(run: Run, how: str, options: list[object], count: int, tmp_path: Path) -> None:
    common = ["--items", "3,5", "--steps", 6, *options]
    result = call(run, how, *common, "--out", tmp_path / "edited.npz", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["edit"] == how
    with np.load(tmp_path / "edited.npz") as held:
        assert held["samples"].shape == (count, 8, 8)
    if how == "roundtrip":
        trip = round_trip(run, run.data()[1].values[[3, 5]], steps=6)
        assert report["rms"] == pytest.approx(trip.rms, rel=1e-3)
    shown = call(run, how, *common, "--out", tmp_path / "edited.png")
    assert shown.exit_code == 0, shown.output
    with Image.open(tmp_path / "edited.png") as picture:
        assert picture.size[0] > 2 * 96


@pytest.mark.parametrize("field", ["exact", "local"])
def test_the_verb_needs_no_run(field: str, tmp_path: Path) -> None:
    common = ["--process", "edm", "--device", "cpu", "--items", "3,5", "--out", str(tmp_path / "e.npz")]
    options = ["--strength", "0.5", "--samples", "2", "--steps", "5", "--label", "own"]
    result = runner.invoke(app, ["edit", "vary", f"--{field}", "digits", *common, *options])
    assert result.exit_code == 0, result.output
    source = getattr(unstir, field)("edm", "digits")
    label = [name for i in (3, 5) for name in [source.classes[source.data.labels[i]]] * 2]
    values = source.data.values[[3, 5]]
    expected = vary(source, values, strength=0.5, samples=2, steps=5, label=label)
    with np.load(tmp_path / "e.npz") as held:
        found = torch.from_numpy(held["samples"]).reshape(2, 3, 8, 8)
    assert torch.equal(found[:, 0], values[:, 0])
    assert torch.equal(found[:, 1:], expected[:, :, 0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vary"], "you gave none of them"),
        (["RUN", "vary", "--exact", "digits"], "you gave RUN and --exact"),
        (["RUN"], "how=RUN: give one of roundtrip, interpolate, vary, relabel, after the run"),
        (["vary", "--local", "two-moons"], "images"),
        (["vary", "--exact", "digits", "--process", "langevin"], "linear processes do"),
        (["relabel", "--exact", "swissroll", "--to", "1"], "labels"),
    ],
)
def test_the_verb_names_what_is_missing(arguments: list[str], words: str, tmp_path: Path) -> None:
    result = runner.invoke(app, ["edit", *arguments, "--out", str(tmp_path / "edited.npz")])
    assert result.exit_code != 0
    assert words in str(result.exception)


@pytest.mark.parametrize(
    ("how", "options", "words"),
    [
        ("vary", ["--items", "3,x"], "give whole numbers with commas between"),
        ("vary", ["--items", "9999"], "items=9999: there are"),
        ("interpolate", ["--items", "1,2,3"], "goes between pairs"),
        ("interpolate", ["--items", "0,1", "--label", "own"], "no class between two others"),
        ("roundtrip", ["--solver", "heun"], "is for vary"),
        ("relabel", ["--to", "nobody"], "nobody"),
        ("vary", ["--input", "two-moons"], "input two-moons: has items of (2,)"),
    ],
)
def test_the_verb_refuses_in_one_line(
    run: Run, how: str, options: list[str], words: str, tmp_path: Path
) -> None:
    result = call(run, how, *options, "--out", tmp_path / "edited.png")
    assert result.exit_code != 0
    assert words in str(result.exception)


def test_partial_times_are_the_last_of_the_solvers() -> None:
    process = parse("edm")
    solver = default_solver(process)
    whole = solver.times(process, 11)
    assert partial_times(whole, 1.0) == whole
    assert partial_times(whole, 0.5) == pytest.approx(whole[5:])
    between = partial_times(whole, 0.55)
    assert between[1:] == whole[5:]
    assert between[0] == pytest.approx((whole[4] + whole[5]) / 2)


@pytest.mark.parametrize(("size", "columns", "shown"), [(8, 8, 96), (8, 2, 192), (28, 8, 112), (28, 2, 196)])
def test_small_images_are_enlarged_by_whole_numbers(size: int, columns: int, shown: int) -> None:
    made = torch.full((1, columns, 1, size, size), 77, dtype=torch.uint8)
    drawn = np.asarray(picture_of_rows(made, "Title", ["one"], ["first"]).convert("L")) == 77
    assert (drawn.sum(0).max(), drawn.sum(1).max()) == (shown, columns * shown)
