"""Large jobs of samples: what writing part by part costs, how much memory they take, and what a kill does.

python benchmarks/scale.py runs/digits/edm --steps 1                    what is not drawing
python benchmarks/scale.py runs/digits/edm --steps 1 --n 5000 50000     memory and speed of whole jobs
python benchmarks/scale.py --n 5000 50000 --steps 2                     the same of an exact field of digits
python benchmarks/scale.py --kills 12                                   kill -9 and go on, the same bytes
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from torch import Tensor

import unstir
from unstir.jobs import Drawing, Options, Watch, folder_of, work
from unstir.run import Run


def overhead(run: Run, steps: int, n: int, place: Path) -> dict[str, object]:
    """CPU seconds of all but the drawing, over those of the drawing by `Run.sample`, which is done once."""
    plain, known, drawing = Drawing.values, dict[int, Tensor](), [0.0]

    def remembered(self: Drawing, low: int, high: int, watch: Watch | None = None) -> Tensor:
        if low not in known:
            start = time.process_time()
            known[low] = plain(self, low, high, watch)
            drawing[0] += time.process_time() - start
        return known[low]

    Drawing.values = remembered  # type: ignore[method-assign]
    run.sample(64, steps=steps)
    told: dict[str, object] = {"n": n}
    for name in ("warm-up.npz", "samples.npz", "samples.zip", "samples.parquet", "samples"):
        start = time.process_time()
        work(Drawing(run, place / name, n, Options(steps=steps)))
        spent = time.process_time() - start
        told[name] = f"{1e6 * spent / n:.0f} microseconds a sample, {100 * spent / drawing[0]:.2f} %"
    del told["warm-up.npz"]
    return told | {"drawing": f"{1e6 * drawing[0] / n:.0f} microseconds a sample"}


def whole(source: list[str], steps: int, n: int, place: Path) -> dict[str, object]:
    """A job through the command line: its speed, and its peak memory."""
    words = [*source, "-n", str(n), "--steps", str(steps), "--out", str(place / f"{n}.npz"), "--json"]
    command = [sys.executable, "-m", "unstir", "sample", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    cpu = usage.ru_utime + usage.ru_stime
    return {**json.loads(out), "cpu_seconds": round(cpu, 1), "peak_mib": usage.ru_maxrss // 1024}


def kills(count: int, place: Path, n: int) -> dict[str, object]:
    """A job that is killed so often, at times of chance, against one left in peace."""
    words = ["sample", "--exact", "digits", "--process", "edm", "-n", str(n), "--steps", "2"]
    command = [sys.executable, "-m", "unstir", *words, "--out"]
    subprocess.run(
        [*command, str(place / "straight.npz")],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wanted, draw = (place / "straight.npz").read_bytes(), random.Random(0)
    told = {"kills": 0, "launches": 0, "jobs": 0, "equal": 0}
    while told["kills"] < count:
        target, ended = place / f"killed-{told['jobs']}.npz", False
        while not ended:
            folder = folder_of(target)
            before = set(folder.glob("part-*"))
            process = subprocess.Popen(
                [*command, str(target)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            told["launches"] += 1
            while process.poll() is None and told["kills"] < count and set(folder.glob("part-*")) <= before:
                time.sleep(0.002)
            # From just after a part was kept to some way into the next ones, or into joining them.
            if told["kills"] < count:
                time.sleep(draw.expovariate(1 / 0.5))
                process.send_signal(signal.SIGKILL)
            ended = process.wait() == 0
            told["kills"] += process.returncode == -signal.SIGKILL
        told["jobs"] += 1
        told["equal"] += target.read_bytes() == wanted and not folder.exists()
    return dict(told)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--n", type=int, nargs="*", default=[])
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    told: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if given.kills:
            told["kills"] = kills(given.kills, place, 30_000)
        elif given.n:
            source = [str(given.run)] if given.run else ["--exact", "digits", "--process", "edm"]
            told["jobs"] = [whole(source, given.steps, n, place) for n in given.n]
        else:
            told["overhead"] = overhead(unstir.load(given.run), given.steps, 4096, place)
    if given.json:
        print(json.dumps(told))
        return
    for name, found in told.items():
        for row in found if isinstance(found, list) else [found]:
            print(name, *(f"{key}={value}" for key, value in row.items()), sep="\n    ")


if __name__ == "__main__":
    main()
