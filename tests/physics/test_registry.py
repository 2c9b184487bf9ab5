from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from unstir.physics import (
    Gaussian,
    HeatProcess,
    LinearProcess,
    StudentT,
    edm,
    entries,
    parse,
    poisson,
    rectified,
    ve,
    vp,
    yukawa,
)


def test_the_list_has_a_line_for_each() -> None:
    listed = entries()
    assert len({entry.name for entry in listed}) == len(listed) >= 10
    for entry in listed:
        assert entry.summary.endswith(".")
        assert "\n" not in entry.summary
        assert 20 < len(entry.summary) < 110
    assert {e.name: e.parameters for e in listed}["poisson"] == {
        "D": 128.0,
        "sigma_min": 0.002,
        "sigma_max": 80.0,
    }


@pytest.mark.parametrize(
    "text",
    [
        "vp",
        "vp:schedule=cosine",
        "ve",
        "ve:sigma_max=20",
        "edm",
        "edm:sigma_min=0.01,sigma_max=40",
        "rectified",
        "poisson:D=1",
        "poisson:D=2.5",
        "poisson:D=128",
        "poisson:D=inf",
        "poisson:D=1e+08,sigma_max=3",
        "yukawa:kappa=0.1",
        "yukawa:kappa=1,sigma_min=0.001",
        "oscillator",
        "heat",
        "heat:sigma=0.05,blur=0.25",
        "blurring:blur=0.5",
        "heat_poisson:D=8",
    ],
)
def test_a_name_reads_back_as_the_same_process(text: str) -> None:
    process = parse(text)
    assert process.name == text
    assert parse(process.name) == process


def test_functions_and_specifications_agree() -> None:
    assert parse("poisson:D=8,sigma_max=3") == poisson(D=8, sigma_max=3)
    assert parse("yukawa:kappa=0.1") == yukawa(0.1)
    assert parse("poisson") == poisson()
    assert parse("vp:schedule=cosine") == vp("cosine")
    assert (parse("edm"), parse("ve"), parse("rectified")) == (edm(), ve(), rectified())


def test_the_law_of_noise_is_all_that_tells_poisson_from_edm() -> None:
    assert poisson(D=8).noise == StudentT(8)
    assert poisson(D=8).schedule == edm().schedule
    assert poisson(D=float("inf")).noise == Gaussian()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "poison",
            ["'poison' is not known", "did you mean poisson?", "vp, ve, edm, rectified, poisson, "],
        ),
        ("EDM", ["did you mean edm?"]),
        ("cold", ["process 'cold' is not known", "Known: vp"]),
        ("heat:sigma=0", ["sigma=0", "such as 0.02"]),
        ("heat:blur=-1", ["blur=-1", "a share of the image's side"]),
        ("heat_poisson:D=0", ["D=0"]),
        ("poisson:D=0.5", ["D=0.5", "at least one extra dimension", "D=1 or more"]),
        ("poisson:D=0", ["D=0"]),
        ("poisson:D=-3", ["D=-3"]),
        ("poisson:D=nan", ["D=nan"]),
        ("poisson:d=8", ["poisson has no parameter 'd'", "D=128"]),
        ("poisson:D=8,D=9", ["D is given twice"]),
        ("poisson:D=many", ["D='many' is not a number"]),
        ("poisson:sigma_max=inf", ["sigma_max=inf", "0 < sigma_min < sigma_max"]),
        ("yukawa:kappa=0", ["kappa=0", "positive and finite"]),
        ("yukawa:kappa=inf", ["kappa=inf"]),
        ("edm:sigma_min=0", ["sigma_min=0"]),
        ("edm:sigma_min=3,sigma_max=2", ["sigma_min=3, sigma_max=2"]),
        ("ve:sigma_min=nan", ["sigma_min=nan"]),
        ("vp:schedule=sine", ["schedule=sine", "linear and cosine"]),
        ("rectified:speed=2", ["rectified has no parameter 'speed'; it has none"]),
    ],
)
def test_bad_specifications_are_refused_in_one_line(
    text: str, words: list[str], refused: Callable[..., str]
) -> None:
    message = refused(parse, text)
    for word in words:
        assert word in message


def test_processes_are_frozen() -> None:
    with pytest.raises(AttributeError):
        edm().scale = 2.0  # type: ignore[misc]


def test_all_processes_are_at_rest_where_they_say() -> None:
    for entry in entries():
        process = parse(entry.name)
        if not isinstance(process, LinearProcess) or isinstance(process, HeatProcess):
            continue
        t = torch.tensor([process.t_min, process.t_max], dtype=torch.float64)
        ratio = process.B(t) / process.A(t)
        assert float(ratio[0]) < 0.02
        assert float(ratio[1]) > 40
