"""What an artefact of the paper is made from, and what is said of it in the index."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig


@dataclass(frozen=True)
class Claim:
    """
    One line of the index: what the paper says, what came out here.

    Attributes
    ----------
    what : str
    paper : str or None
        As printed; None where the paper gives no number.
    ours : str
        With interval and number of samples, where it is a number.
    holds : bool or None
        None where there is nothing to compare.
    why : str
        One sentence; needed where the claim does not hold.
    """

    what: str
    paper: str | None
    ours: str
    holds: bool | None
    why: str = ""

    def __post_init__(self) -> None:
        if self.holds is False and not self.why:
            raise ValueError(f"'{self.what}' does not hold; say why")


@dataclass(frozen=True)
class Sources:
    """
    The finished runs that an artefact reads.

    Attributes
    ----------
    cfg : DictConfig
        As `conf/reproduce.yaml`.
    folders : mapping of str to Path
        Run folders by name.
    """

    cfg: DictConfig
    folders: Mapping[str, Path]

    def run(self, name: str) -> Path:
        """Return the folder of a finished run."""
        return self.folders[name]


@dataclass(frozen=True)
class Artefact:
    """
    A table, a figure or a claim of the paper.

    Attributes
    ----------
    name : str
        "table1"
    title : str
    needs : tuple of str
        Names of runs; several of the same training are run once.
    build : callable
        From sources and a folder to claims; writes rows and pictures into the folder, and reads
        nothing but the run folders.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    build: Callable[[Sources, Path], list[Claim]]


def format_interval(value: float, interval: tuple[float, float], digits: int = 3) -> str:
    """
    Write a number with its interval.

    Examples
    --------
    >>> format_interval(0.5, (0.41, 0.63), 2)
    '0.50 (95 % interval 0.41 to 0.63)'
    """
    low, high = interval
    return f"{value:.{digits}f} (95 % interval {low:.{digits}f} to {high:.{digits}f})"


def mapped(facts: Mapping[str, object], name: str) -> str:
    """Return a fact of a run as text; "not recorded" where it is missing."""
    value = facts.get(name)
    return "not recorded" if value is None else str(value)
