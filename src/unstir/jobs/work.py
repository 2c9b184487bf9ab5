"""Who draws what: the parts of a job are dealt among the processes of a launch.

Process r of R draws every R-th part that is missing, and then, from the end, those that others have not yet
drawn: a slow process, or one that has died, holds up nobody for long. What is there is seen on the disk that
all share, so that nothing is sent but the list at the beginning. As soon as all parts are there the first
process puts them together.

A job of one part is drawn in memory, each process its rows, and leaves no folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace

from unstir.data.formats import Format, format_of
from unstir.data.save import write_samples
from unstir.data.target import check_format, check_place
from unstir.errors import InputError
from unstir.flow import Progress
from unstir.jobs.drawing import Drawing, Watch
from unstir.jobs.job import Job
from unstir.train.cluster import Cluster

# Takes how many samples are there, and how many are to be drawn; gives what watches their drawing.
Bar = Callable[[int, int], AbstractContextManager[Watch]]


class _Overtaken(Exception):  # noqa: N818  it is no error
    """Another process has drawn the part."""


@dataclass(frozen=True)
class Outcome:
    """What has become of a job.

    Attributes:
        found: samples that were there when it began.
        drawn: samples drawn since, by all processes.
    """

    found: int
    drawn: int


def work(
    drawing: Drawing, *, bar: Bar | None = None, cluster: Cluster | None = None, restart: bool = False
) -> Outcome | None:
    """Draw all samples of `drawing` to its target; on the leader, what became of it, on the others None.

    Args:
        drawing: what is drawn. A target that a killed job has left unfinished is gone on with.
        bar: shows how far it is.
        cluster: the processes that do it together; they must see the same folder. One alone without.
        restart: throw away what there is of any job for this target.

    Raises:
        InputError: as `Job.open`; samples that the target cannot hold; or a disk that is full.
    """
    cluster, bar = cluster or Cluster(), bar or _no_bar
    form = cluster.together(lambda: _form(drawing))
    with closing(Job(drawing.target, form, drawing.n)) as job:
        return _worked(drawing, job, bar, cluster, restart)


def _worked(drawing: Drawing, job: Job, bar: Bar, cluster: Cluster, restart: bool) -> Outcome | None:
    opened = cluster.led(lambda: _opened(job, drawing, restart))
    if opened is None:
        return Outcome(drawing.n, 0) if cluster.leads else None
    job.size, missing = opened
    if not job.size:
        return _at_once(drawing, job.form, cluster, bar)
    found = drawing.n - sum(high - low for low, high in map(job.bounds, missing))
    try:
        with bar(found, drawing.n - found) as watch:
            cluster.together(lambda: _draw(drawing, job, missing, cluster, found, watch))
    except InputError:
        if not all(map(job.has, missing)):
            raise
        # Others have drawn what a process could not.
    if not cluster.leads:
        return None
    job.join()
    return Outcome(found, drawing.n - found)


def _no_bar(_found: int, _left: int) -> AbstractContextManager[Watch]:
    return nullcontext(lambda _progress: None)


def _form(drawing: Drawing) -> Format:
    layout = drawing.layout()
    shape = (drawing.n, *layout.shape)
    check_format(drawing.target, shape, labelled=layout.labels is not None, kind=layout.kind)
    return format_of(drawing.target, layout)


def _opened(job: Job, drawing: Drawing, restart: bool) -> tuple[int, list[int]] | None:
    """The size of parts and those missing; size 0 where all is drawn at once; None where all is done."""
    if restart:
        job.forget()
    if not job.needed():
        check_place(job.target)
        return 0, []
    missing = job.open(drawing.record())
    return None if missing is None else (job.size, missing)


def _at_once(drawing: Drawing, form: Format, cluster: Cluster, bar: Bar) -> Outcome | None:
    with bar(0, -(-drawing.n // cluster.size)) as watch:
        values = cluster.drawn(drawing.n, lambda low, high: drawing.values(low, high, watch))
    if values is None:
        return None
    write_samples(drawing.target, form, drawing.named(values, 0))
    return Outcome(0, drawing.n)


def _draw(
    drawing: Drawing, job: Job, missing: Sequence[int], cluster: Cluster, found: int, watch: Watch
) -> None:
    for k in _turns(missing, cluster):
        if job.has(k):
            continue
        before = job.kept() - found

        def seen(progress: Progress, k: int = k, before: int = before) -> None:
            if cluster.size > 1 and job.has(k):
                raise _Overtaken
            watch(replace(progress, first=before + progress.first))

        low, high = job.bounds(k)
        try:
            values = drawing.values(low, high, seen)
        except _Overtaken:
            continue
        job.keep(k, drawing.named(values, low))


def _turns(missing: Sequence[int], cluster: Cluster) -> Iterator[int]:
    """This process's own parts, then those of the others, the last first."""
    own = missing[cluster.rank :: cluster.size]
    yield from own
    yield from sorted(set(missing) - set(own), reverse=True)
