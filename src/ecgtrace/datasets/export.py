"""
Sets of pages or crops, written to disk: what `generate.py` does.

Every item (a page or a crop) is a pure function of (config, seed, number), whatever the number of
workers. Each file is written under another name and then renamed, and an item counts as done only when all
of its files are there, so a run that was cut off is gone on with by the same command.
"""

import json
import multiprocessing
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Protocol

import cv2
from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from ecgtrace.datasets.crop_files import write_bytes
from ecgtrace.datasets.index import INDEX, IndexRow, read_index, row_from_text, write_index
from ecgtrace.errors import ConfigError, DataError, EcgTraceError
from ecgtrace.provenance import fingerprint

MANIFEST = "manifest.json"
_JOURNAL = ".progress.jsonl"


class DiskSet(Protocol):
    """
    One of the sets.

    Attributes
    ----------
    folder : str
        Its name in the output folder.
    """

    folder: ClassVar[str]

    @property
    def item_ids(self) -> Sequence[str]:
        """Name of each item, in order."""

    def write(self, index: int, folder: Path) -> list[IndexRow]:
        """Write the files of an item; return a line of the index for each of its leads."""

    def files(self, item_id: str, rows: Sequence[IndexRow]) -> list[str]:
        """Return the files of an item that has been written, relative to the set's folder."""

    def item_of(self, crop_id: str) -> str:
        """Return the item that a line of the index belongs to."""

    def extras(self) -> dict[str, str]:
        """Return further files of the set, name and text."""


@dataclass(frozen=True)
class Summary:
    """What became of a set: items in all, those written now, one line per item that failed, seconds."""

    folder: Path
    n_items: int
    n_written: int
    failed: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        rate = f"{self.n_written / self.seconds:.1f} a second" if self.n_written else "nothing to do"
        return f"{self.folder}: {self.n_items - len(self.failed)} of {self.n_items} items, {rate}"


def export(disk_set: DiskSet, output_dir: Path, workers: int = 1, progress: bool = True) -> Summary:
    """
    Write one set, or what is missing of it.

    Parameters
    ----------
    disk_set : DiskSet
    output_dir : Path
        The set becomes a folder in it.
    workers : int
        Processes; the files do not depend on their number.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Summary
        Items whose record is broken are listed there; the others are written all the same.

    Raises
    ------
    ConfigError
        If the folder holds something else, or the same set of another config. Nothing is ever deleted.
    """
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers}")
    began = time.perf_counter()
    folder = output_dir / disk_set.folder
    item_ids = disk_set.item_ids  # raises where the records do not suffice: before a folder is made
    start(disk_set, output_dir)
    done = _done(disk_set, folder)
    todo = [index for index, item_id in enumerate(item_ids) if item_id not in done]
    failed: list[str] = []
    if todo:
        with ExitStack() as stack:
            journal = stack.enter_context((folder / _JOURNAL).open("a", encoding="utf-8"))
            results = _results(stack, disk_set, folder, todo, workers)
            bar = tqdm(results, total=len(todo), unit="item", desc=disk_set.folder, disable=not progress)
            for index, result in zip(todo, bar, strict=True):
                item_id = item_ids[index]
                if isinstance(result, str):
                    failed.append(f"{item_id}: {result}")
                    continue
                done[item_id] = result
                line = {"item": item_id, "rows": [asdict(row) for row in result]}
                journal.write(json.dumps(line) + "\n")
                journal.flush()
    _finish(disk_set, folder, done)
    seconds = time.perf_counter() - began
    return Summary(folder, len(item_ids), len(todo) - len(failed), tuple(failed), seconds)


def start(disk_set: DiskSet, output_dir: Path) -> None:
    """
    Claim the folder of a set, or make sure that it is this one's.

    Raises
    ------
    ConfigError
        If it is not.
    """
    folder = output_dir / disk_set.folder
    path = folder / MANIFEST
    mine = manifest(disk_set)
    if path.is_file():
        try:
            theirs = json.loads(path.read_text(encoding="utf-8"))["fingerprint"]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path} cannot be read; choose another output_dir") from error
        if theirs != mine["fingerprint"]:
            raise ConfigError(
                f"{folder} was begun with another configuration (see its {MANIFEST}); "
                "choose another output_dir, or repeat that configuration to go on with it"
            )
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise ConfigError(f"{error.filename} is a file; choose another output_dir") from error
    if any(entry.name != f".{MANIFEST}.tmp" for entry in folder.iterdir()):
        raise ConfigError(f"{folder} holds files that generate.py did not write; choose another output_dir")
    write_bytes(path, (json.dumps(mine, indent=2) + "\n").encode())


def manifest(disk_set: DiskSet) -> dict[str, Any]:
    """Return all that the files of a set depend on, and a hash of it."""
    facts = {
        "set": type(disk_set).__name__,
        "written_by": f"ecgtrace {metadata.version('ecgtrace')}",
        "config": _plain(disk_set),
    }
    return {"fingerprint": fingerprint(facts), **facts}


def main(cfg: DictConfig) -> list[Summary]:
    """
    Write the sets that are configured.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/generate.yaml`.

    Raises
    ------
    DataError
        At the end, if some items could not be drawn; the others are written.
    ConfigError
        Before anything is written, if a value is out of range or a folder is taken.
    """
    output_dir = Path(cfg.output_dir).expanduser()
    names = ("digitization", "detection", "segmentation", "overlap", "whole_pages")
    unknown = [str(name) for name in cfg.sets if name not in names]
    if unknown or not cfg.sets:
        raise ConfigError(f"sets: {', '.join(unknown) or 'none'} chosen; choose of {', '.join(names)}")
    sets: list[DiskSet] = [instantiate(cfg[name], _convert_="object") for name in cfg.sets]
    try:
        for disk_set in sets:  # refuse before the first of many files
            disk_set.item_ids  # noqa: B018  raises where the records do not suffice
            start(disk_set, output_dir)
        summaries = []
        for disk_set in sets:
            summaries.append(export(disk_set, output_dir, cfg.workers, cfg.progress))
            print(summaries[-1], flush=True)
    except OSError as error:
        raise DataError(
            f"{error.filename or output_dir}: {error.strerror or error}; see to it and repeat"
        ) from error
    failed = [line for summary in summaries for line in summary.failed]
    if failed:
        raise DataError(f"{len(failed)} items could not be drawn, the others are written; first: {failed[0]}")
    return summaries


def _results(
    stack: ExitStack, disk_set: DiskSet, folder: Path, todo: Sequence[int], workers: int
) -> Iterator[list[IndexRow] | str]:
    """Rows of each item, in order, or why there are none; from this process or from workers."""
    if workers == 1:
        return (_do(disk_set, folder, index) for index in todo)
    pool = stack.enter_context(
        ProcessPoolExecutor(
            min(workers, len(todo)),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_Worker.start,
            initargs=(disk_set, folder),
        )
    )
    # Without this an interrupt would wait for every item that is queued.
    stack.callback(pool.shutdown, wait=True, cancel_futures=True)
    return pool.map(_Worker.do, todo)


def _do(disk_set: DiskSet, folder: Path, index: int) -> list[IndexRow] | str:
    try:
        return disk_set.write(index, folder)
    except EcgTraceError as error:
        return " ".join(str(error).split())


class _Worker:
    """What a worker process keeps between items."""

    _state: tuple[DiskSet, Path]

    @classmethod
    def start(cls, disk_set: DiskSet, folder: Path) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers
        cv2.setNumThreads(1)
        cls._state = (disk_set, folder)

    @staticmethod
    def do(index: int) -> list[IndexRow] | str:
        return _do(*_Worker._state, index)


def _done(disk_set: DiskSet, folder: Path) -> dict[str, list[IndexRow]]:
    """Return the rows of the items that are there as a whole."""
    known: dict[str, list[IndexRow]] = {}
    if (folder / INDEX).is_file():
        for crop_id, text in read_index(folder / INDEX).items():
            known.setdefault(disk_set.item_of(crop_id), []).append(row_from_text(text, folder / INDEX))
    if (folder / _JOURNAL).is_file():
        for line in (folder / _JOURNAL).read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
                known[entry["item"]] = [IndexRow(**row) for row in entry["rows"]]
            except (ValueError, KeyError, TypeError):
                continue  # a torn line: its item is written again
        _drop_torn_line(folder / _JOURNAL)
    wanted = set(disk_set.item_ids)
    return {
        item_id: rows
        for item_id, rows in known.items()
        if item_id in wanted and all((folder / name).is_file() for name in disk_set.files(item_id, rows))
    }


def _drop_torn_line(path: Path) -> None:
    content = path.read_bytes()
    kept = content[: content.rfind(b"\n") + 1]
    if kept != content:
        path.write_bytes(kept)


def _finish(disk_set: DiskSet, folder: Path, done: Mapping[str, list[IndexRow]]) -> None:
    for name, text in disk_set.extras().items():
        write_bytes(folder / name, text.encode())
    write_index(
        folder / INDEX, (row for item_id in disk_set.item_ids if item_id in done for row in done[item_id])
    )
    (folder / _JOURNAL).unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """Return what a configured object is made of; records by their content, not by their place."""
    if hasattr(value, "split_ids"):
        return {"records": value.name, "fingerprint": value.fingerprint()}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value
