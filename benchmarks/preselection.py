"""What it gains to pick out, at each noise level, the few windows that count in the local field's sums.

    python benchmarks/preselection.py digits ../shared/data/fashion-mnist [--limit 8000] [--json]

For each level at which the field of 64 held-out images looks through windows: seconds of the processor of the
full sum, of the one that leaves out what is below rounding (`unstir.fields.patches`), and the largest and the
rms difference of the two, in model units (the data's deviation is ½). Where faiss is installed
(`pip install faiss-cpu`), an inverted file of each window's training data is measured beside them on five
windows: seconds to build it and to look up 64 neighbours, over those of the full sum of a window, and the
error of the posterior mean among the neighbours.
"""

import argparse
import importlib.util
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from features import read_pair
from unstir import untrained
from unstir.fields import patches
from unstir.fields.local import LocalField
from unstir.fields.patches import Scale

_STATES, _LEVELS, _RHO, _REPEATS = 64, 12, 50.0, 3
_WINDOWS, _NEIGHBOURS, _LISTS, _PROBED = 5, 64, 128, 8
_HEAD = " noise  radius     full  selected  gain  largest error   rms error"
_FAISS = "   faiss: build  look up  largest error  rms error"


def main() -> None:
    """Measure each data set, and print its rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--limit", type=int, default=8_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    faiss = importlib.util.find_spec("faiss") is not None
    found = {path.name: measure(path, arguments.limit, faiss) for path in arguments.data}
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{torch.get_num_threads()} threads, {_STATES} states, at most {arguments.limit} images")
    for name, rows in found.items():
        print(name, _HEAD + (_FAISS if faiss else ""), sep="\n")
        for row in rows:
            print(
                f"{row['noise']:6.3f}  {row['radius']:6.0f}  {row['full']:5.3f} s  {row['selected']:6.3f} s  "
                f"{row['full'] / row['selected']:4.2f}  {row['largest']:13.1e}  {row['rms']:10.1e}",
                end="" if faiss else "\n",
            )
            if faiss:
                print(
                    f"   {row['build']:12.1f}  {row['look_up']:7.2f}  {row['faiss_largest']:13.1e}  "
                    f"{row['faiss_rms']:9.1e}"
                )


def measure(path: Path, limit: int, faiss: bool) -> list[dict[str, float]]:
    """A row for each noise level at which windows are narrower than the image."""
    train, test = read_pair(path)
    made = untrained.local("edm", train.select(torch.arange(min(limit, len(train)))), labels=False)
    field, process = made.field, made.process
    assert isinstance(field, LocalField)
    clean = made.scaling.to_model(test.values[:_STATES])
    images = made.scaling.to_model(made.data.values)
    rows = []
    for t in process.times(_LEVELS, rho=_RHO).flip(0).tolist():
        time_ = torch.tensor(t, dtype=torch.float64)
        scale = field.windows.scales[int(field.windows.index(process.level(time_, torch.zeros(()))))]
        if scale is None or t == 0:
            continue
        x = process.perturb(clean, torch.full((_STATES,), t), torch.Generator().manual_seed(0))
        at, few = field.at(t), patches._FEW
        selected, ours = _best(lambda at=at, x=x: at(x, None))
        patches._FEW = 0.0  # nothing is left out
        full, whole = _best(lambda at=at, x=x: at(x, None))
        patches._FEW = few
        row = {"noise": t, "radius": scale.radius, "full": full, "selected": selected}
        row |= _errors("", ours, whole)
        rows.append(row | (_inverted_file(x, images, t, scale) if faiss else {}))
    return rows


def _best(of: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """The least seconds of a few calls, and what they give."""
    seconds = []
    for _ in range(_REPEATS):
        start = time.process_time()
        found = of()
        seconds.append(time.process_time() - start)
    return min(seconds), found


def _errors(name: str, found: Tensor, truth: Tensor) -> dict[str, float]:
    off = (found - truth).double()
    return {f"{name}largest": float(off.abs().max()), f"{name}rms": float(off.square().mean().sqrt())}


def _inverted_file(x: Tensor, images: Tensor, sigma: float, scale: Scale) -> dict[str, float]:
    """An approximate index in place of the sum, on a few windows."""
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    spans = [(a, b) for a in patches._spans(x.shape[2], scale) for b in patches._spans(x.shape[3], scale)]
    built = looked = summed = 0.0
    near, true = [], []
    for a, b in spans[:: max(1, len(spans) // _WINDOWS)][:_WINDOWS]:
        keys, states = (part[:, :, a.window, b.window].flatten(1).contiguous() for part in (images, x))
        start = time.process_time()
        index = faiss.IndexIVFFlat(
            faiss.IndexFlatL2(keys.shape[1]), keys.shape[1], min(_LISTS, len(keys) // 40)
        )
        index.train(keys.numpy())
        index.add(keys.numpy())
        index.nprobe = _PROBED
        built += time.process_time() - start
        energy = keys.square().sum(1) * (-0.5 / sigma**2)

        def full(energy: Tensor = energy, states: Tensor = states, keys: Tensor = keys) -> Tensor:
            return torch.addmm(energy, states / sigma**2, keys.T).softmax(1) @ keys

        def neighbours(index: object = index, states: Tensor = states, keys: Tensor = keys) -> Tensor:
            squared, which = map(torch.from_numpy, index.search(states.numpy(), _NEIGHBOURS))
            logits = (squared * (-0.5 / sigma**2)).masked_fill(which < 0, -1e30)  # it may find none at all
            weights = logits.softmax(1)
            return torch.bmm(weights[:, None], keys[which.clamp_min(0)])[:, 0]

        summed += _best(full)[0]
        seconds, found = _best(neighbours)
        looked += seconds
        logits = -0.5 * torch.cdist(states.double(), keys.double()).square() / sigma**2
        near.append(found.flatten())
        true.append((logits.softmax(1) @ keys.double()).flatten())
    ratios = {"build": built / summed, "look_up": looked / summed}
    return ratios | _errors("faiss_", torch.cat(near), torch.cat(true))


if __name__ == "__main__":
    main()
