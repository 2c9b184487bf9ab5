"""Whatever was done to a file, its reader answers or refuses in one line that names it. See `targets.py`.

`benchmarks/fuzz.py` does the same for as long as one likes, guided by coverage.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from unstir.errors import InputError

from .mutate import changed
from .targets import TARGETS, Target

EXAMPLES = 12


@pytest.fixture(scope="module")
def folders() -> Iterator[dict[str, Path]]:
    """A folder for each target, made once."""
    root = Path(tempfile.mkdtemp(prefix="unstir-fuzz-"))
    made = {}
    for name, target in TARGETS.items():
        made[name] = root / name
        made[name].mkdir()
        target.prepare(made[name])
    yield made
    shutil.rmtree(root)


@pytest.mark.parametrize("name", TARGETS)
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@example(seed=None, which=0, noise=b"")
@example(seed=None, which=None, noise=b"")
@given(seed=st.integers(0, 2**32), which=st.integers(0, 10), noise=st.binary(max_size=64))
def test_any_file(
    folders: dict[str, Path], name: str, seed: int | None, which: int | None, noise: bytes
) -> None:
    target, folder = TARGETS[name], folders[name]
    if which is None:
        target.check(noise, folder)
        return
    whole = target.seeds()
    content = whole[which % len(whole)]
    if seed is None:
        assert target.check(content, folder) or name == "tar-inside"
        return
    target.check(changed(content, seed), folder)


def test_a_finding_is_found(tmp_path: Path) -> None:
    def crash(_folder: Path) -> None:
        raise ZeroDivisionError

    def mumble(_folder: Path) -> None:
        raise InputError("something is wrong")

    def shout(folder: Path) -> None:
        raise InputError(f"{folder}\nis wrong")

    for read, found in ((crash, ZeroDivisionError), (mumble, AssertionError), (shout, AssertionError)):
        with pytest.raises(found):
            Target("x", "x", read, lambda: ()).check(b"", tmp_path)
    assert Target("x", "x", lambda folder: folder, lambda: ()).check(b"", tmp_path)
