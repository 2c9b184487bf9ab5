"""Several processes against one: the same losses, weights and samples, and whole checkpoints whoever dies."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.calling import run_script

from unstir import fit
from unstir.run import load
from unstir.train import TrainConfig, choices, load_checkpoint
from unstir.train.checkpoint import Tensors
from unstir.train.cluster import Cluster, joined
from unstir.train.machine import choose_device, has_fast_bfloat16

Config = Callable[..., TrainConfig]
FAMILIES = ("edm", "pfgm", "blurring", "langevin", "coins", "capacitor", "rich", "dit", "few")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def troop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `troop.py` leaves behind."""
    folder = tmp_path_factory.mktemp("troop")
    done = run_script(Path(__file__).with_name("troop.py"), folder)
    (folder / "stderr").write_text(done.stderr)
    return folder


def ends(troop: Path, name: str) -> list[int]:
    codes: list[int] = json.loads((troop / "ends.json").read_text())[name][0]
    return codes


def losses(path: Path) -> torch.Tensor:
    """Of all steps from the first, whichever sessions did them."""
    parts = sorted(path.glob("losses-*.json"), key=lambda part: int(part.name.split("-")[1]))
    return torch.tensor(list(itertools.chain.from_iterable(json.loads(p.read_text()) for p in parts)))


def near(found: Tensors, wanted: Tensors) -> None:
    for name in ("model", "ema"):
        assert found[name].keys() == wanted[name].keys()
        for key, value in wanted[name].items():
            assert torch.allclose(found[name][key], value, rtol=1e-3, atol=1e-4), (name, key)
    assert torch.equal(found["generators"]["train"], wanted["generators"]["train"])


@pytest.mark.parametrize("process", FAMILIES)
def test_two_processes_have_the_loss_curve_of_one(troop: Path, process: str) -> None:
    one, two = losses(troop / "one" / process), losses(troop / "two" / process)
    assert len(one) == len(two) >= 3
    assert len(set(one.tolist())) == len(one)
    assert torch.allclose(two, one, rtol=1e-4, atol=1e-6), (two - one).abs().max()
    if process != "rich":  # Muon's steps are made orthogonal in bfloat16
        near(*(load_checkpoint(troop / name / process).tensors for name in ("two", "one")))


@pytest.mark.parametrize("process", ["edm", "pfgm", "coins", "rich", "dit", "few"])
def test_a_network_in_parts_has_the_loss_curve_of_one(troop: Path, process: str) -> None:
    one, parts = losses(troop / "one" / process), losses(troop / "parts" / process)
    assert len(one) == len(parts) >= 3
    assert torch.allclose(parts, one, rtol=1e-4, atol=1e-6), (parts - one).abs().max()
    if process != "rich":
        near(*(load_checkpoint(troop / name / process).tensors for name in ("parts", "one")))
    assert load(troop / "parts" / process).sample(2, steps=3).shape == (2, 1, 8, 8)


def test_a_process_holds_its_part_of_weights_averages_and_momenta(troop: Path) -> None:
    shares = [json.loads((troop / "parts" / f"shares-{rank}.json").read_text()) for rank in range(2)]
    for weights, states in shares:
        assert 0.4 < weights < 0.6
        assert 0.35 < states < 0.75  # of the weights: one momentum of matrices, two of the rest
    assert sum(weights for weights, _ in shares) == pytest.approx(1)


@pytest.mark.parametrize("name", ["whole to parts", "parts to whole", "parts to more parts"])
def test_parts_go_on_as_a_whole_and_the_other_way_about(troop: Path, name: str) -> None:
    assert not any(ends(troop, f"{name}: cut") + ends(troop, name))
    assert torch.allclose(losses(troop / name), losses(troop / "one" / "edm"), rtol=1e-4)
    near(load_checkpoint(troop / name).tensors, load_checkpoint(troop / "one" / "edm").tensors)


@pytest.mark.parametrize("name", ["on one", "on three"])
def test_a_stopped_run_goes_on_with_another_number_of_processes(troop: Path, name: str) -> None:
    assert ends(troop, f"{name}: cut") == [0, 0]
    # One was told to stop, by SIGTERM after step 5, and both did.
    assert [len(json.loads(p.read_text())) for p in sorted((troop / name).glob("losses-*"))] == [5, 3]
    assert torch.allclose(losses(troop / name), losses(troop / "one" / "edm"), rtol=1e-4)
    near(load_checkpoint(troop / name).tensors, load_checkpoint(troop / "one" / "edm").tensors)
    steps = [json.loads(line)["step"] for line in (troop / name / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))


@pytest.mark.parametrize(("name", "after", "codes"), [
    ("member killed", "after member", [2, -9]), ("leader killed", "after leader", [-9, 2]),
])  # fmt: skip
def test_a_killed_process_leaves_a_whole_checkpoint(
    troop: Path, name: str, after: str, codes: list[int]
) -> None:
    found, seconds = json.loads((troop / "ends.json").read_text())[name]
    assert found == codes  # the other ends by itself, with one line of why
    assert seconds < 60
    assert "InputError: launch: another process of it has ended" in (troop / "stderr").read_text()
    assert not any(ends(troop, after))
    assert load_checkpoint(troop / name).passed_over == ()
    assert not [path for path in (troop / name).rglob("*") if path.name.endswith((".tmp", ".damaged"))]
    near(load_checkpoint(troop / name).tensors, load_checkpoint(troop / "one" / "edm").tensors)


@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("process", ["edm", "coins"])
def test_samples_are_those_of_one_process(troop: Path, process: str, n: int) -> None:
    alone = load(troop / "one" / process).sample(n, steps=4, seed=3, first=5)
    together = torch.load(troop / "samples" / f"{process}-{n}.pt")
    assert together.shape == alone.shape
    # The batch changes rounding: a grey level, or none.
    assert (together.int() - alone.int()).abs().max() <= 1
    assert (together != alone).float().mean() < 0.01


def test_an_error_of_one_is_known_to_all(troop: Path) -> None:
    leader, member = (json.loads((troop / f"seen-{rank}.json").read_text()) for rank in range(2))
    assert leader == ["InputError: process 1: of 1", "InputError: of 0", "15", "0"]
    assert member == ["FollowedError: of 1", "FollowedError: of 0", "15", "1"]


def test_the_leader_alone_fits_what_samples_are_measured_in(troop: Path) -> None:
    assert not any(ends(troop, "measured"))
    leader, member = (json.loads((troop / f"measured-{rank}.json").read_text()) for rank in range(2))
    reason = "features='pca:999': K in pca:K is a whole number from 1 to 30 for this reference"
    assert leader == ["pca:999", f"InputError: {reason}", "pca:2"]
    assert member == [f"FollowedError: {reason}"]


def test_the_leader_measures_the_machine_and_all_do_as_it_found(troop: Path) -> None:
    leader, member = (json.loads((troop / f"arranged-{rank}.json").read_text()) for rank in range(2))
    steps, minutes, parts = leader
    assert [each.pop("free") for each in member] == [[], [], []]
    asked = [each.pop("free") for each in leader]
    assert leader == member
    # Threads are the launcher's, nothing is compiled, and what lies in parts lies in one order.
    known = ["bfloat16"] if has_fast_bfloat16(torch.device("cpu")) else []
    assert asked == [[], [[*known, "channels_last"]], [known] if known else []]
    assert steps["last"]
    assert steps["kept"][1:] == [True, None, None]
    assert minutes == {"bfloat16": True, "kept": ["bfloat16", False, None, None], "last": False}
    assert parts["bfloat16"] == bool(known)
    assert parts["kept"][1:] == [None, None, None]
    assert not parts["last"]


@pytest.mark.parametrize(
    ("said", "sharded", "wanted"),
    [(None, False, True), (False, False, False), (True, True, False), (None, True, False)],
)
def test_a_run_that_does_not_say_how_its_weights_lie_has_them_as_usual(
    config: Config, said: bool | None, sharded: bool, wanted: bool
) -> None:
    given = config(network="patch-unet", network_options={}, channels_last=said)
    for size in (1, 2):
        cluster = Cluster(0, size, sharded=sharded)
        assert choices.is_last(given, torch.device("cpu"), cluster) is wanted
    assert not choices.is_last(config(), torch.device("cpu"), Cluster(0, 2))


@pytest.mark.parametrize(("n", "size"), [(7, 3), (2, 5), (12, 4), (0, 2)])
def test_rows_are_dealt_once_each_and_evenly(n: int, size: int) -> None:
    dealt = [range(*Cluster(rank, size).rows(n)) for rank in range(size)]
    assert list(itertools.chain.from_iterable(dealt)) == list(range(n))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_one_process_alone_needs_no_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert joined() == Cluster()
    monkeypatch.setenv("WORLD_SIZE", "4")  # as some clusters set for every job
    assert joined() == Cluster()
    assert not torch.distributed.is_initialized()
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    assert choose_device("auto") == torch.device("cpu")


def launched(words: str, place: Path) -> subprocess.CompletedProcess[str]:
    """What `accelerate launch` did: anew, where its port was taken between its choice and its use."""
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-m", "accelerate.commands.launch", *words.split()],
            cwd=place,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if "EADDRINUSE" not in done.stderr:
            break
    return done


@pytest.mark.parametrize(
    ("kind", "shared"),
    [("--multi_gpu", "× 2 processes;"), ("--use_fsdp --fsdp_version 2", "× 2 processes, in parts;")],
    ids=["whole", "in parts"],
)
def test_accelerate_launches_the_command_line(tmp_path: Path, kind: str, shared: str) -> None:
    pictures = torch.randint(256, (60, 8, 8), generator=torch.Generator().manual_seed(0))
    np.save(tmp_path / "pictures.npy", pictures.byte().numpy())
    words = (
        f"{kind} --num_processes 2 --num_machines 1 --main_process_port 0 -m unstir train --data pictures.npy"
    )
    given = "--process edm --network mlp:small --sketch 0 --steps 3 --holdout 0 --out run --json"
    done = launched(f"{words} {given}", tmp_path)
    assert done.returncode == 0, done.stderr
    # One voice: one report, and one line of what is trained.
    assert json.loads(done.stdout)["step"] == 3
    assert done.stderr.count("edm on pictures.npy") == 1
    assert shared in " ".join(done.stderr.split())
    assert "returned a view" not in done.stderr
    options = {"network": "mlp:small", "sketch": 0, "steps": 3, "holdout": 0}
    one = fit("edm", tmp_path / "pictures.npy", out=tmp_path / "one", **options)
    near(load_checkpoint(tmp_path / "run").tensors, load_checkpoint(one.path).tensors)
