"""
How long each stage of a reading takes.

A stage names itself where its work is done, `with stage("sheet"):`; whoever wants to know reads inside of
`with watching() as watch:`. Seconds are those of the clock on the wall. A stage inside of another is taken
off it, so that the stages add up to the whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter

REST = "rest"  # what no stage names


class Watch:
    """
    Stages and their seconds, in the order in which they began.

    Attributes
    ----------
    seconds : dict of str to float
        Complete once the `with` is left.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open = [REST]
        self._mark = perf_counter()

    def turn(self, name: str | None) -> None:
        """Begin a stage; with None, end the latest."""
        now = perf_counter()
        running = self._open[-1]
        self.seconds[running] = self.seconds.get(running, 0.0) + now - self._mark
        self._mark = now
        if name is None:
            self._open.pop()
        else:
            self._open.append(name)

    def spread(self, name: str, parts: Iterable[Mapping[str, float]]) -> None:
        """
        Give the seconds of a stage whose work was done by several threads to the stages of these.

        Parameters
        ----------
        name : str
            A stage that has ended.
        parts : iterable of mapping of str to float
            What a watch in each thread says; only the proportions count.
        """
        busy: dict[str, float] = {}
        for part in parts:
            for stage_name, seconds in part.items():
                busy[stage_name] = busy.get(stage_name, 0.0) + seconds
        total = sum(busy.values())
        if total <= 0:
            return
        waited = self.seconds.pop(name)
        for stage_name, seconds in busy.items():
            self.seconds[stage_name] = self.seconds.get(stage_name, 0.0) + waited * seconds / total


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watching() -> Iterator[Watch]:
    """Watch the stages that this thread goes through inside of the `with`."""
    watch = Watch()
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        watch.turn(None)
        _watch.reset(token)


@contextmanager
def stage(name: str) -> Iterator[Watch | None]:
    """Name what is done inside of the `with`; yields the watch, None where nobody watches."""
    watch = _watch.get()
    if watch is None:
        yield None
        return
    watch.turn(name)
    try:
        yield watch
    finally:
        watch.turn(None)
