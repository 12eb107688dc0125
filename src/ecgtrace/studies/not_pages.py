"""
Pictures that are no page: whether each gets the verdict that it should.

`STUDY` is what experiments/not_pages/run.py runs: every picture is read as a file is, with `content=page` and
with `content=auto`.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig
from PIL import Image

from ecgtrace.batch import BatchOptions, digitize_file
from ecgtrace.evaluation.runner import CropSource, describe_error
from ecgtrace.inputs import InputFile
from ecgtrace.page_sets.not_pages import AUTO, CASES, NONE, ODD, PAGE, NotPage
from ecgtrace.reading import DigitizerLike
from ecgtrace.reporting import pages
from ecgtrace.studies.study import Arms, Report, Study
from ecgtrace.types import FAILED

_MESSAGE = 160
_TEXT = ("crop_id", "record_id", "subset", "digitizer", "status", "wanted", "says", "message", "taken_for")
_NUMBERS = ("right", "seconds")
_KINDS = {
    NONE: "Pictures that show no ECG",
    ODD: "Pages that are cut, doubled, turned, mirrored; single leads",
}


@dataclass(frozen=True)
class ReadAs:
    """
    Reads a picture as the command does.

    Attributes
    ----------
    name : {"page", "auto"}
        What the picture is taken for: `content`.
    digitizer : callable
        Of leads.
    """

    name: str
    digitizer: DigitizerLike

    @property
    def model(self) -> str:
        """Name of the network of leads."""
        return str(getattr(self.digitizer, "model", ""))

    def __call__(self, image: NDArray[np.uint8]) -> tuple[str, str, str]:
        """Return the verdict, the message, and whether it was read as a page or a lead."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "picture.png"
            Image.fromarray(image).save(path)
            options = BatchOptions(content=self.name, progress=False)
            result = digitize_file(InputFile(path, "picture"), self.digitizer, Path(folder), options)
        return result.status, result.message or "", result.content


@dataclass(frozen=True)
class VerdictScore:
    """The score: a row that says whether the verdict is right, and the message says why."""

    columns: tuple[str, ...] = (*_TEXT, *_NUMBERS)
    text: Sequence[str] = _TEXT
    rows_each: int = 1

    def rows(
        self, crop: tuple[NotPage, NDArray[np.uint8]], index: int, arm: str, digitizer: ReadAs
    ) -> list[dict[str, Any]]:
        """Return the row of a picture."""
        case, image = crop
        began = time.perf_counter()
        status, message, taken_for = digitizer(image)
        return [_row(case, arm, status, message, taken_for, round(time.perf_counter() - began, 2))]

    def unread(
        self, source: CropSource, index: int, arm: str, digitizer: ReadAs, error: Exception
    ) -> list[dict[str, Any]]:
        """Return the row of a picture that could not be drawn: no verdict is right."""
        case = next(one for one in CASES if one.name == source.crop_id(index))
        row = _row(case, arm, FAILED, describe_error(error), "", 0.0)
        return [row | {"right": 0}]


def is_right(case: NotPage, content: str, status: str, message: str) -> bool:
    """Tell whether a verdict is one of those wanted, and its message says what it should."""
    says = bool(re.search(case.says, message)) or (content == AUTO and not message)
    return status in case.wanted[content] and (says or not case.says) and (status != FAILED or bool(message))


def report(rows: pd.DataFrame, cfg: DictConfig, page_folder: Path) -> Report:
    """Return the blocks of the page: how many verdicts are right, and each of them."""
    counts = rows.groupby(["subset", "digitizer"], sort=False)["right"].agg(["sum", "size"]).reset_index()
    counts = counts.rename(columns={"sum": "right", "size": "n"})
    summary = [
        [_KINDS[row["subset"]], row["digitizer"], f"{row['right']:.0f} of {row['n']}"]
        for _, row in counts.iterrows()
    ]
    context = {
        "sizes": _sizes(rows),
        "summary": pages.table(["pictures", "content", "right"], summary, n_text=2),
        "kinds": [(what, _table(rows[rows["subset"] == kind])) for kind, what in _KINDS.items()],
    }
    return Report(counts, context)


def arms(cfg: DictConfig) -> Arms:
    """Build the digitizer, to be called with either `content`."""
    digitizer = instantiate(cfg.digitizer)
    return dict.fromkeys((PAGE, AUTO), cfg.digitizer), {
        name: ReadAs(name, digitizer) for name in (PAGE, AUTO)
    }


def _row(
    case: NotPage, arm: str, status: str, message: str, taken_for: str, seconds: float
) -> dict[str, Any]:
    return {
        "record_id": "",
        "subset": case.kind,
        "status": status,
        "wanted": " or ".join(case.wanted[arm]),
        "says": case.says,
        "message": " ".join(message.split()),
        "taken_for": taken_for,
        "right": int(is_right(case, arm, status, message)),
        "seconds": seconds,
    }


def _sizes(rows: pd.DataFrame) -> str:
    counts = rows.drop_duplicates("crop_id")["subset"].value_counts()
    return (
        f"{counts.get(NONE, 0)} pages without an ECG, {counts.get(ODD, 0)} pages that are cut, doubled, "
        "turned or mirrored, single leads among them"
    )


def _table(rows: pd.DataFrame) -> str:
    lines = [
        [
            row["crop_id"],
            row["digitizer"],
            row["wanted"],
            row["status"],
            "yes" if row["right"] else "**no**",
            row["message"] if len(row["message"]) <= _MESSAGE else row["message"][:_MESSAGE] + " ...",
        ]
        for _, row in rows.iterrows()
    ]
    head = ["picture", "content", "wanted", "given", "right", "message"]
    return pages.table(head, lines, n_text=6)


STUDY = Study(
    "not_pages",
    report,
    arms=arms,
    score=lambda cfg: VerdictScore(),
    keys=("data",),
    columns=(*_TEXT, *_NUMBERS),
    text=_TEXT,
)
