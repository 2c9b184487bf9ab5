"""Wheel and sdist: built from a copy, complete, and the wheel runs where nothing else of unstir is."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import unstir

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src"
IGNORED = shutil.ignore_patterns(
    ".git", ".venv", "runs", "build", "dist", ".*_cache", "__pycache__", "node_modules"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist, and a wheel made of that sdist alone."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT, folder / "copy", ignore=IGNORED, symlinks=True)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--outdir",
            str(folder / "dist"),
            str(folder / "copy"),
        ],
        check=True,
        capture_output=True,
    )
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    (found,) = built.glob("*.whl")
    return found


def test_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path for path in (SOURCES / "unstir").rglob("*") if path.is_file())
    wanted = {
        path.relative_to(SOURCES).as_posix()
        for path in files
        if "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    assert held == wanted
    assert "unstir/py.typed" in held


def test_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        said = email.message_from_bytes(archive.read(name))
        entry = archive.read(name.replace("METADATA", "entry_points.txt")).decode()
    assert said["Name"] == "unstir"
    assert said["Version"] == unstir.__version__
    assert said["Requires-Python"] == ">=3.11"
    assert said["License-Expression"] == "MIT"
    assert "unstir = unstir.cli:main" in entry
    assert "# unstir" in said.get_payload()


def test_sdist_can_be_built_and_tested_from(built: Path) -> None:
    (found,) = built.glob("*.tar.gz")
    with tarfile.open(found) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "constraints.txt", "Makefile", "README.md", "LICENSE"} <= held
    assert {"CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md"} <= held
    assert {"src/unstir/py.typed", "tests/conftest.py", "docs/conf.py", "examples/images.py"} <= held
    assert not {name for name in held if name.startswith((".venv", "runs", "build", "dist", ".git/"))}


def test_wheel_runs_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    venv.create(clean, with_pip=False)
    python = clean / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([*install, str(wheel)], check=True, env=environment)
    # What unstir depends on is that of this environment; of unstir itself, the wheel's comes first.
    (packages,) = clean.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")

    def ran(*command: str) -> str:
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment, cwd=tmp_path
        )
        return done.stdout

    assert ran(str(clean / "bin" / "unstir"), "--version") == f"unstir {unstir.__version__}\n"
    place = ran(str(python), "-c", "import unstir, unstir.physics; print(unstir.physics.__file__)").strip()
    assert Path(place).is_relative_to(clean)
    assert ran(str(clean / "bin" / "unstir"), "processes").startswith("process")


def test_version_is_the_same_everywhere() -> None:
    import tomllib

    import yaml

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert project["version"] == cited["version"] == unstir.__version__
    assert project["license"] == cited["license"]
    # What CFF 1.2.0 asks for.
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["cff-version"] == "1.2.0"
    assert cited["type"] == "software"
    assert all(set(author) <= {"name", "family-names", "given-names", "orcid"} for author in cited["authors"])
