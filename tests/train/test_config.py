"""The configuration: what is taken, what is refused and how, and that config.yaml gives the same one back."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unstir.train.config import TrainConfig, dump_config, make_config, read_config

Refused = Callable[..., str]
BASE: dict[str, Any] = {"data": "digits", "steps": 3}


def test_defaults() -> None:
    config = make_config(BASE)
    assert (config.process, config.network, config.minutes, config.steps) == (
        "poisson:D=128",
        "auto",
        None,
        3,
    )


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"steps": None, "minutes": 0.25},
        {"lr": 1e-5, "clip": 1e22, "noise_mean": -3.0, "ema": 0.1, "seed": 2**63 - 1},
        {"data": "a: b #c", "device": "cuda:1", "threads": 3, "skip_bad": True},
        {"data": "/tmp/ü [x]\n\"'{", "network": "unet", "network_options": {"channels": (8, 16)}},  # noqa: S108
        {"data": "null", "process": "yes"},
        {"labels": False, "label_dropout": 0.0},
        {"labels": "auto"},
        {"data": "1e3", "network_options": {"a": [1, 2.5, None, True, "x"], "b": {"c": {}}}},
        {"data": "caf\udce9"},  # a name that is no UTF-8
    ],
)
def test_yaml_gives_the_same_configuration_back(tmp_path: Path, values: dict[str, Any]) -> None:
    config = make_config(BASE | values)
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    assert make_config(read_config(path)) == config


def test_yaml_without_a_point_in_the_exponent_is_a_number(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("data: digits\nsteps: 3\nlr: 2e-4\n")
    assert make_config(read_config(tmp_path / "c.yaml")).lr == 2e-4


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"netwrok": "mlp"}, ("netwrok", "did you mean network", "Known: data, partner")),
        ({"x" * 5000: 1}, ("is no option", "Known")),
        ({"a\nb": 1}, (r"'a\nb'", "is no option")),
        ({"steps": None}, ("give either minutes or steps",)),
        ({"minutes": 1}, ("give either minutes or steps",)),
        ({"steps": "soon"}, ("steps='soon'", "whole number")),
        ({"steps": 2.5}, ("steps=2.5", "whole number")),
        ({"steps": 0}, ("steps=0", "give 1 or more")),
        ({"steps": -5}, ("steps=-5", "give 1 or more")),
        ({"steps": None, "minutes": float("inf")}, ("minutes=inf", "finite")),
        ({"steps": None, "minutes": float("nan")}, ("minutes=nan", "finite")),
        ({"steps": None, "minutes": -1}, ("minutes=-1", "give more than 0")),
        ({"steps": None, "minutes": 1e300}, ("minutes=1e+300", "give 1000000 or less")),
        ({"batch": 0}, ("batch=0", "give 1 or more")),
        ({"batch": 10**15}, ("batch=1000000000000000", "or less")),
        ({"batch": [1]}, ("batch=a list", "whole number")),
        ({"lr": float("nan")}, ("lr=nan", "finite")),
        ({"lr": -1e-3}, ("lr=-0.001", "give more than 0")),
        ({"lr": "1e-4x"}, ("lr='1e-4x'", "give a number")),
        ({"warmup": 1.0}, ("warmup=1.0", "give less than 1")),
        ({"clip": 0}, ("clip=0", "give more than 0")),
        ({"ema": 0.5}, ("ema=0.5", "give 0.25 or less")),
        ({"noise_std": 0}, ("noise_std=0", "give more than 0")),
        ({"noise_mean": 1e9}, ("noise_mean=1000000000.0", "give 20 or less")),
        ({"holdout": 1}, ("holdout=1", "give less than 1")),
        ({"label_dropout": 1}, ("label_dropout=1", "give less than 1")),
        ({"labels": "some"}, ("labels='some': give auto, or true or false",)),
        ({"seed": -1}, ("seed=-1", "give 0 or more")),
        ({"seed": 2**63}, (f"seed={2**63}", "give less than")),
        ({"seed": 10**5000}, ("seed=a int",)),
        ({"threads": 0}, ("threads=0", "give 1 or more")),
        ({"precision": "bf16"}, ("precision='bf16'", "give auto, float32 or bfloat16")),
        ({"network": "resnet"}, ("network='resnet'", "mlp, patch-unet, unet")),
        ({"network_options": 3}, ("network_options=3", "dictionary")),
        ({"network_options": {"width": {1, 2}}}, ("network_options=a dict", "plain finite values")),
        ({"network_options": {"width": float("inf")}}, ("network_options=a dict", "plain finite values")),
        ({"checkpoint_minutes": 0}, ("checkpoint_minutes=0", "give more than 0")),
        ({"skip_bad": "maybe"}, ("skip_bad='maybe'", "true or false")),
        ({"data": None}, ("data=None", "give a text")),
        ({"data": "x" * 100_000, "batch": 0}, ("batch=0",)),
        ({"process": ["y" * 100_000]}, ("process=a list", "give a text")),
    ],
)
def test_refusals_name_field_value_and_mend(
    refused: Refused, values: dict[str, Any], said: tuple[str, ...]
) -> None:
    message = refused(make_config, BASE | values)
    assert all(part in message for part in said), message
    assert len(message) < 600


def test_every_wrong_field_is_named(refused: Refused) -> None:
    message = refused(make_config, {"steps": -1, "lr": 0, "nonsense": 3})
    assert all(part in message for part in ("data: is missing", "steps=-1", "lr=0", "nonsense: is no option"))


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        make_config(BASE).lr = 1.0  # type: ignore[misc]


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(12)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x00\x01\x02", "is not YAML"),
        (b"\xff\xfe\xfa\xfb", "cannot be read"),
        (b"a: [1, 2", "is not YAML"),
        (b"lr: 1\nlr: 2\n", "'lr' is given twice, line 2"),
        (b"just words", "give options as 'name: value' lines"),
        (b"- 1\n- 2\n", "give options as 'name: value' lines"),
        (b"", "give options as 'name: value' lines"),
        (b"1: 2", "give options as 'name: value' lines"),
        (b"? [1, 2]\n: 3", "is not YAML"),
        (b"data: !!python/object/apply:os.system [ls]", "is not YAML"),
        (b"data: 2024-13-45", "is not YAML"),
        (b"seed: " + b"9" * 5000, "is not YAML"),
        (LAUGHS.encode(), "aliases are not taken"),
        (b"network_options: &a [*a]", "aliases are not taken"),
        (b"a: " + b"[" * 40_000, "the nesting is too deep"),
        (b"a: " + b"{a: " * 10_000, "the nesting is too deep"),
        (b"- " * 20_000, "is not YAML"),
        (b"? " * 20_000, "is not YAML"),
        (b"a: " + b"x" * 100_000, "is over 50 kB"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, refused: Refused, content: bytes, said: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    tracemalloc.start()
    start = time.perf_counter()
    message = refused(read_config, path)
    seconds, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message.startswith(f"config {path}: ")
    assert said in message
    assert len(message) < 300
    assert seconds < 10  # most of it the tracing; a second without
    assert peak < 50e6


@pytest.mark.parametrize("place", ["absent.yaml", ".", "/dev/zero"])
def test_places_that_are_no_file(tmp_path: Path, refused: Refused, place: str) -> None:
    assert refused(read_config, tmp_path / place).startswith("config ")


def test_every_field_is_documented() -> None:
    documented = (TrainConfig.__doc__ or "").split("Attributes:")[1]
    for name in TrainConfig.model_fields:
        assert f"\n        {name}: " in documented, name


def test_of_many_faults_the_first_are_named(refused: Refused) -> None:
    message = refused(make_config, {"steps": 1, "categorical": [None] * 5000})
    assert message.startswith("data: is missing; categorical.0=None: ")
    assert message.endswith("; and 4993 more")
