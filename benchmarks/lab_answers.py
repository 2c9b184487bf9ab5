"""How long the lab's answers take, in seconds of one core: the coarse stage and all of it, for each process.

    OMP_NUM_THREADS=1 python benchmarks/lab_answers.py [--json]

The question is the page's own: 3,000 particles of swissroll in 48 frames; images are 16 digits. Tables that
a law of noise makes when it is first used are left out.
"""

import argparse
import json
import time

import torch

from unstir.lab.context import Context
from unstir.lab.export import PICTURES, PLANE
from unstir.lab.requests import parse

FIELD = {"kind": "field", "half": 1.5, "arrows": 22, "cells": 128}


def seconds(context: Context, **given: object) -> list[float]:
    """CPU seconds until each stage."""
    stages = parse(json.dumps({"id": 1, "slot": "main", **given})).answer(context)
    start = time.process_time()
    found = [time.process_time() - start for _ in stages]
    return [found[0], found[-1]]


def measured(context: Context, process: str, data: dict[str, str]) -> dict[str, list[float]]:
    """Forward, backward and the field of a process."""
    path = {"kind": "path", "data": data, "process": process, "n": 16 if "images" in data else 3000}
    ways = {way: path | {"direction": way} for way in ("forward", "backward")}
    if "preset" in data:
        scene = context.scene(parse(json.dumps({"id": 1, "slot": "a", **path})).data, process)  # type: ignore[attr-defined]
        middle = scene.family.clock(scene.process, 48)[20]
        ways["field"] = FIELD | {"data": data, "process": process, "time": middle}
    for given in ways.values():
        seconds(context, **{**given, **({"n": 20} if "n" in given else {})})
    return {way: seconds(context, **given) for way, given in ways.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    context, found = Context(), {}
    if not options.json:
        print(f"{'process':24}" + "".join(f"{way:>18}" for way in ("forward", "backward", "field")))
    for data, processes in (({"preset": "swissroll"}, PLANE), ({"images": "digits"}, PICTURES)):
        for process in processes:
            name = process if "preset" in data else f"{process} (digits)"
            found[name] = measured(context, process, data)
            if not options.json:
                cells = (f"{first:.3f} … {last:.3f}" for first, last in found[name].values())
                print(f"{name:24}" + "".join(f"{cell:>18}" for cell in cells), flush=True)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
