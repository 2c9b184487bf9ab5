"""The pages hold: every Python block runs, every command names what there is, every link leads somewhere."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from unstir import physics
from unstir.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def fenced(page: Path, language: str) -> list[str]:
    return [code for kind, code in FENCED.findall(page.read_text("utf-8")) if kind == language]


BLOCKS = [
    pytest.param(code, id=f"{named(page)}-{number}")
    for page in PAGES
    for number, code in enumerate(fenced(page, "python"))
]


@pytest.mark.parametrize("code", BLOCKS)
def test_python_block_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "block", "exec", dont_inherit=True), {"__name__": "block"})  # noqa: S102


# Of each verb: the options it has. Built as the command line builds them.
VERBS = {
    name: {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    | {"--help", "-h", "--debug"}
    for name, command in typer.main.get_group(app).commands.items()
}
# What a page may call beside unstir, our scripts and make.
TOOLS = {"pip", "tensorboard", "torchrun", "wandb", "trackio", "git", "cd", ".", "pre-commit"}


def commands(page: Path) -> Iterator[str]:
    """Each command of a page's console blocks, of its synopses, and of its inline code."""
    for block in fenced(page, "console"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                yield line[2:]
    if page.name == "command-line.md":
        for block in fenced(page, "text"):
            yield from (line for line in block.splitlines() if line.startswith("unstir "))
    prose = FENCED.sub("", page.read_text("utf-8"))
    for code in re.findall(r"`([^`\n]+)`", prose):
        if re.match(r"([A-Z_]+=\S+ )?(unstir [a-z]|python \w+/)", code):
            yield code


def wrong(command: str) -> str | None:
    """What a command names that is not there; None where all is well."""
    words = shlex.split(re.sub(r"[\[\]|…]", " ", command), comments=True)
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words.pop(0)
    if "-m" in words and words[words.index("-m") + 1] == "unstir":
        words = words[words.index("-m") + 1 :]
    tool, *rest = words or [""]
    options = [word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)]
    if tool in READERS:
        return READERS[tool](rest, options)
    return None if tool in TOOLS else f"no tool {tool!r}"


def wrong_unstir(words: list[str], options: list[str]) -> str | None:
    """Verb, options and processes; a capital stands for any."""
    verb = words[0] if words else ""
    if verb in {"--help", "--version"}:
        return None
    if verb not in VERBS:
        return f"no verb {verb!r}"
    for option, value in itertools.pairwise(words):
        if option in {"--process", "--processes"} and re.match(r"[a-z]", value):
            physics.parse(value)
    return next((f"{verb} has no {option}" for option in options if option not in VERBS[verb]), None)


def wrong_python(words: list[str], options: list[str]) -> str | None:
    """A script of this repository and its options."""
    script = ROOT / words[0]
    if not script.is_file():
        return f"no script {words[0]}"
    text = script.read_text("utf-8")
    return next((f"{words[0]} has no {option}" for option in options if f'"{option}"' not in text), None)


def wrong_make(words: list[str], options: list[str]) -> str | None:
    """Targets."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    return next((f"make has no {word}" for word in words if "=" not in word and word not in targets), None)


READERS = {"unstir": wrong_unstir, "python": wrong_python, "make": wrong_make}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_name_what_there_is(page: Path) -> None:
    for command in commands(page):
        assert wrong(command) is None, command


def test_wrong_commands_are_seen() -> None:
    assert wrong("unstir train --data digits --minutes 1") is None
    assert wrong("OMP_NUM_THREADS=1 python benchmarks/digits.py") is None
    assert wrong("unstir trian --data digits") == "no verb 'trian'"
    assert wrong("unstir train --dta digits") == "train has no --dta"
    assert wrong("accelerate launch -m unstir sample RUN --stepz 3") == "sample has no --stepz"
    assert wrong("python benchmarks/none.py") == "no script benchmarks/none.py"
    assert wrong("python benchmarks/digits.py --sloth") == "benchmarks/digits.py has no --sloth"
    assert wrong("make coffee") == "make has no coffee"


def test_every_verb_has_its_section() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    sections = set(re.findall(r"^## unstir ([a-z-]+)$", page, re.M))
    assert sections == set(VERBS)


# Of each page its headings, as git hosts name them in links.
def anchors(page: Path) -> set[str]:
    prose = FENCED.sub("", page.read_text("utf-8"))
    titles = (
        re.sub(r"[^\w\- ]", "", title).strip().lower() for title in re.findall(r"^#+ (.*)$", prose, re.M)
    )
    return {title.replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s:]+)\)", text) + re.findall(r'src="([^":]+)"', text):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_nothing_is_left_to_fill_in() -> None:
    for page in PAGES:
        assert not re.search(r"^@[A-Z]+@$|\bTODO\b|\bTBD\b", page.read_text("utf-8"), re.M), page
