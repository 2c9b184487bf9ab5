"""Fuzz the readers deeply, guided by coverage: atheris on what `tests/fuzz/targets.py` lists.

    pip install -e '.[fuzz]'
    python benchmarks/fuzz.py --seconds 60             # every target, one after another
    python benchmarks/fuzz.py x.npz config --seconds 600

An input is a finding where a reader crashes, hangs for 20 seconds, takes more than 2 GiB of memory, or
raises anything but an `InputError` of one printable line that names the file. Each kind of finding is kept
once, under `--keep`, with its traceback. Prints how many inputs were tried and what was found; exit status 1
where there is any.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEMORY_DISK = Path("/dev/shm")  # noqa: S108  # much quicker, where it is
MEMORY, PATIENCE = 2048, 20  # MiB, seconds
INSTRUMENTED = ["unstir", "yaml", "zipfile", "tarfile", "gzip", "numpy.lib._format_impl", "json", "csv"]
FINDING = 77  # libFuzzer's exit status


def fuzz(name: str, seconds: int, keep: Path) -> None:
    """Fuzz one target in this process, which libFuzzer ends."""
    import atheris

    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=INSTRUMENTED, enable_loader_override=False):
        from tests.fuzz.mutate import changed
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    folder = Path(tempfile.mkdtemp(prefix="unstir-fuzz-", dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None))
    corpus = folder / "corpus"
    corpus.mkdir()
    here = folder / "here"
    here.mkdir()
    target.prepare(here)
    for i, content in enumerate(target.seeds()):
        (corpus / str(i)).write_bytes(content)
    note, seen = keep / f"{name}.json", set[str]()
    told = {"tried": 0, "read": 0, "findings": 0}

    def one(content: bytes) -> None:
        told["tried"] += 1
        try:
            told["read"] += target.check(content, here)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            kind = f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}"
            if kind not in seen:
                seen.add(kind)
                told["findings"] += 1
                (keep / f"{name}.{len(seen)}.input").write_bytes(target.mend(content))
                (keep / f"{name}.{len(seen)}.txt").write_text(traceback.format_exc())
        if told["tried"] % 50 == 0:
            note.write_text(json.dumps(told))

    def mutate(content: bytes, most: int, seed: int) -> bytes:
        if content and random.Random(seed).random() < 0.5:
            return changed(content, seed)[:most]
        return atheris.Mutate(content, most)

    largest = max(4096, 2 * max(map(len, target.seeds())))
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={PATIENCE}",
        f"-rss_limit_mb={MEMORY}",
        f"-max_len={largest}",
    ]
    options += [f"-malloc_limit_mb={MEMORY}", f"-artifact_prefix={keep}/{name}.", "-verbosity=0", str(corpus)]
    atheris.Setup(["fuzz", *options], one, custom_mutator=mutate)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", help="those of tests/fuzz/targets.py; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="of each target")
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"), help="folder for findings")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.keep.mkdir(parents=True, exist_ok=True)
    if given.here:
        fuzz(given.targets[0], given.seconds, given.keep)
        return 0
    sys.path.insert(0, str(ROOT))
    from tests.fuzz.targets import TARGETS

    bad, tried = 0, 0
    for name in given.targets or TARGETS:
        command = [
            sys.executable,
            __file__,
            name,
            "--here",
            "--seconds",
            str(given.seconds),
            "--keep",
            str(given.keep),
        ]
        done = subprocess.run(
            command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, check=False
        )
        note = given.keep / f"{name}.json"
        told = json.loads(note.read_text()) if note.exists() else {"tried": 0, "read": 0, "findings": 0}
        crashed = done.returncode != 0
        if crashed:
            (given.keep / f"{name}.crash.txt").write_bytes(done.stderr[-20_000:])
        bad, tried = bad + told["findings"] + crashed, tried + told["tried"]
        last = f"; ended with {done.returncode}" if crashed else ""
        print(
            f"{name:24} {told['tried']:>8,} tried, {told['read']:>7,} read, {told['findings']} found{last}",
            flush=True,
        )
    print(f"{tried:,} inputs, {bad} findings" + (f", kept in {given.keep}" if bad else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
