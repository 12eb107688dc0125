"""
The one runner: crops or pages of a source, arms that read them, a score that makes rows of each reading.

`run` is the work: resumable, in one process or several. `begin` writes what the rows rest on, and refuses to
mix rows that rest on different things. Evaluation and every study are a source, arms and a score.
"""

import json
import multiprocessing
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from ecgtrace.digitization.ink_map import TrueMask
from ecgtrace.errors import ConfigError, EcgTraceError
from ecgtrace.evaluation.row_file import RowFile
from ecgtrace.provenance import fingerprint
from ecgtrace.types import LeadCrop, LeadSignal

ROWS = "rows.csv"
PROVENANCE = "provenance.json"
_MESSAGE_LENGTH = 300
_OF_A_CALL = ("date_utc", "command", "commit", "dirty")


class CropSource(Protocol):
    """
    Where crops come from, or whole pages (`page_sample.PageSet`): whatever the score reads.

    A source may also have `subset(index) -> str`, which names the subset of a crop without reading it and is
    asked for crops that cannot be read; `name`, where its crops come from; and `fingerprint() -> str`, a hash
    of what they are made from.
    """

    def __len__(self) -> int:
        """Return the number of crops."""

    def __getitem__(self, index: int) -> Any:
        """Return a crop; raises `DataError` if this one is broken."""

    def crop_id(self, index: int) -> str:
        """Return the crop's unique name without reading it."""


class DigitizerLike(Protocol):
    """
    What is evaluated.

    A digitizer whose `segmenter` is a `TrueMask` is given the mask of each crop (the ceiling of a method, not
    a method). It may also have `model`, the name of the model that it rests on; and `segmenter.card`, a
    dataclass that says where the model's weights come from.
    """

    @property
    def name(self) -> str:
        """Return what rows and tables call it."""

    def __call__(self, image: NDArray[np.uint8]) -> LeadSignal:
        """Digitize the picture of one lead."""


class Score(Protocol):
    """
    What makes rows of a crop and an arm. Worker processes get a copy, so it must be picklable.

    Attributes
    ----------
    columns, text, rows_each
        As `RowFile` has them; a score whose number of rows varies also has `end`.
    """

    @property
    def columns(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def text(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def rows_each(self) -> int: ...  # noqa: D102

    def rows(self, crop: Any, index: int, arm: str, digitizer: Any) -> list[dict[str, Any]]:
        """
        Read a crop and return its rows, `rows_each` or none; a reading that fails is a row, not an error.

        `crop_id` and `digitizer` are filled in by the runner.
        """

    def unread(
        self, source: CropSource, index: int, arm: str, digitizer: Any, error: Exception
    ) -> list[dict[str, Any]]:
        """Return the rows of a crop that the source could not give."""


@dataclass(frozen=True)
class RunOptions:
    """
    How a run is done.

    Attributes
    ----------
    resume : bool
        Keep the rows that the file already has.
    workers : int
        Processes. The rows are the same whatever their number, but for seconds: each worker computes on
        one thread.
    progress : bool
        Show a progress bar.
    """

    resume: bool = False
    workers: int = 1
    progress: bool = True

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ConfigError(f"workers must be at least 1, got {self.workers}")


def run(
    source: CropSource, arms: Mapping[str, Any], score: Score, path: Path, options: RunOptions
) -> pd.DataFrame:
    """
    Score every arm on the same crops, each read once.

    Parameters
    ----------
    source : CropSource
    arms : mapping of str to object
        What the score is given, by the name that the rows carry as `digitizer`.
    score : Score
    path : Path
        CSV file, written crop by crop; sorted when all is done.
    options : RunOptions

    Returns
    -------
    DataFrame
        The rows of the file, in the order of the source.

    Raises
    ------
    DataError
        If the file to resume cannot be read.
    """
    file = _row_file(path, score)
    file.begin(options.resume)
    crop_ids = [source.crop_id(index) for index in range(len(source))]
    done = file.done()
    tasks = [
        (index, todo)
        for index, crop_id in enumerate(crop_ids)
        if (todo := tuple(name for name in arms if (crop_id, name) not in done))
    ]
    with ExitStack() as stack:
        results = _results(stack, (source, dict(arms), score), options.workers, tasks)
        for rows in tqdm(results, total=len(tasks), unit="crop", disable=not options.progress):
            file.append(rows)
    return file.sort(crop_ids, list(arms))


def is_done(source: CropSource, arms: Mapping[str, Any], score: Score, path: Path) -> bool:
    """Tell whether a file holds the rows of all crops and arms."""
    file = _row_file(path, score)
    wanted = {(source.crop_id(index), name) for index in range(len(source)) for name in arms}
    return path.is_file() and wanted <= file.done()


def score_crop(source: CropSource, index: int, arms: Mapping[str, Any], score: Score) -> list[dict[str, Any]]:
    """Read one crop and return the rows of all arms."""
    try:
        crop = source[index]
    except Exception as error:  # any broken item is a row
        found = {name: score.unread(source, index, name, arm, error) for name, arm in arms.items()}
    else:
        found = {name: score.rows(crop, index, name, arm) for name, arm in arms.items()}
    crop_id = source.crop_id(index)
    return [row | {"crop_id": crop_id, "digitizer": name} for name, rows in found.items() for row in rows]


def begin(folder: Path, facts: dict[str, Any], keep: bool, complete: bool, hint: str) -> None:
    """
    Write what rows rest on, after making sure that rows to be kept rest on the same.

    Parameters
    ----------
    folder : Path
        Gets `provenance.json`. Where no row is missing, the one that was written stays.
    facts : dict
        As `ecgtrace.provenance.provenance`, with `data_fingerprint`, `digitizer_fingerprints` and `models`
        as `data_facts` and `arm_facts` give them.
    keep : bool
        Whether the folder's rows are kept.
    complete : bool
        Whether it lacks none.
    hint : str
        What to do where rows of something else are there.

    Raises
    ------
    ConfigError
        If the folder holds rows of another configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PROVENANCE
    if keep and path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = []
        for name in ("digitizer_fingerprints", "data_fingerprints"):
            known = before.get(name, {})
            changed += [k for k, v in facts.get(name, {}).items() if known.setdefault(k, v) != v]
            if name in facts:
                facts[name] = known
        if before.get("data_fingerprint") != facts["data_fingerprint"]:
            changed.append("crops or their scoring")
        if changed:
            raise ConfigError(
                f"{folder} holds rows of another configuration ({', '.join(changed)} changed); {hint}"
            )
        if complete:
            return
        facts["models"] = {**before.get("models", {}), **facts["models"]}
        call = {key: before[key] for key in _OF_A_CALL if key in before}
        facts["earlier_calls"] = [*before.get("earlier_calls", []), call]
    path.write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")


def data_facts(cfg: DictConfig, source: CropSource, keys: Sequence[str], *more: Any) -> dict[str, Any]:
    """
    Return what all rows rest on: the crops, by records, configuration and names, and other options.

    Parameters
    ----------
    cfg : DictConfig
    source : CropSource
    keys : sequence of str
        Parts of the configuration.
    *more : object
        Other plain data.
    """
    crop_ids = [source.crop_id(index) for index in range(len(source))]
    content = source.fingerprint() if hasattr(source, "fingerprint") else None
    plain = [OmegaConf.to_container(cfg[key], resolve=True) for key in keys]
    return {
        "data": getattr(source, "name", type(source).__name__),
        "n_crops": len(source),
        "data_fingerprint": fingerprint([content, crop_ids, *plain, *more]),
    }


def arm_facts(configs: Mapping[str, Any], arms: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the rows of each arm rest on: its model, the card of its weights, its configuration."""
    return {
        "models": {name: _model_facts(arm) for name, arm in arms.items()},
        "digitizer_fingerprints": {
            name: fingerprint([model_name(arms[name]), OmegaConf.to_container(config, resolve=True)])
            for name, config in configs.items()
        },
    }


def digitize_crop(digitizer: DigitizerLike, crop: LeadCrop) -> LeadSignal:
    """Call a digitizer with the picture alone; one that reads true masks gets the crop's."""
    segmenter = getattr(digitizer, "segmenter", None)
    if isinstance(segmenter, TrueMask):
        digitizer = replace(digitizer, segmenter=TrueMask(crop.mask))  # type: ignore[type-var]
    return digitizer(crop.image)


def describe_error(error: Exception) -> str:
    """Return one line; the type is named unless the error was raised on purpose for the user."""
    text = " ".join(str(error).split())
    if not isinstance(error, EcgTraceError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return (text or type(error).__name__)[:_MESSAGE_LENGTH]


def model_name(digitizer: Any) -> str:
    """Return the name of the model that a digitizer rests on; empty where there is none."""
    model = getattr(digitizer, "model", "")
    return model if isinstance(model, str) else str(getattr(model, "name", ""))


def _model_facts(digitizer: Any) -> dict[str, Any]:
    card = getattr(getattr(digitizer, "segmenter", None), "card", None)
    facts = asdict(card) if is_dataclass(card) and not isinstance(card, type) else {}
    return {"model": model_name(digitizer), **facts}


def _row_file(path: Path, score: Score) -> RowFile:
    return RowFile(path, score.columns, score.text, score.rows_each, getattr(score, "end", None))


_Work = tuple[CropSource, dict[str, Any], Score]
_Task = tuple[int, tuple[str, ...]]


def _results(
    stack: ExitStack, work: _Work, workers: int, tasks: list[_Task]
) -> Iterator[list[dict[str, Any]]]:
    """Rows of each task, in order, from this process or from workers."""
    if workers == 1:
        return (_do(work, task) for task in tasks)
    # Spawned, not forked: torch's threads do not survive a fork.
    pool = stack.enter_context(
        ProcessPoolExecutor(
            min(workers, max(len(tasks), 1)),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_Worker.start,
            initargs=(work,),
        )
    )
    # Without this an interrupt would wait for every task that is queued.
    stack.callback(pool.shutdown, wait=True, cancel_futures=True)
    return pool.map(_Worker.do, tasks)


def _do(work: _Work, task: _Task) -> list[dict[str, Any]]:
    source, arms, score = work
    index, names = task
    return score_crop(source, index, {name: arms[name] for name in names}, score)


class _Worker:
    """What a worker process keeps between crops: source and models travel to it once."""

    _work: _Work

    @classmethod
    def start(cls, work: _Work) -> None:
        # What the digitizers need is imported by now; others need not wait for torch.
        for name, set_threads in (("cv2", "setNumThreads"), ("torch", "set_num_threads")):
            if name in sys.modules:
                getattr(sys.modules[name], set_threads)(1)
        cls._work = work

    @staticmethod
    def do(task: _Task) -> list[dict[str, Any]]:
        return _do(_Worker._work, task)
