"""
The four published sets, written to disk in their authors' layout.

Layout and names follow https://github.com/rezakarbasi/ecg-image-and-signal-dataset and doi
10.5281/zenodo.15484519 (arXiv 2506.06315). Signals are bare JSON lists in mV, as there, so that
programs made for the published sets read these. What they lack stands in one `index.csv` per set.

Every item (a page or a crop) is a pure function of (config, seed, number), whatever the number of
workers. Each file is written under another name and then renamed, and an item counts as done only when all
of its files are there, so a run that was cut off is gone on with by the same command.
"""

import json
import logging
import multiprocessing
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import cached_property, lru_cache
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Protocol

import cv2
import numpy as np
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig
from tqdm import tqdm

from ecgtrace.crops.cut import cut, overlap
from ecgtrace.crops.drawn import DrawnCrops, Sheet
from ecgtrace.crops.folder import IMAGE, MASK_BMP, MASK_PNG, SIGNAL, WITH_OVERLAP, WITHOUT_OVERLAP
from ecgtrace.crops.index import INDEX, IndexRow, read_index, row_from_text, write_index
from ecgtrace.errors import ConfigError, DataError, EcgTraceError
from ecgtrace.pages.layout import LAYOUTS, Plan
from ecgtrace.pages.render import draw
from ecgtrace.pages.style import PageStyle
from ecgtrace.pages.yolo_labels import data_yaml, page_boxes, to_yolo
from ecgtrace.provenance import fingerprint
from ecgtrace.records.splits import SPLITS, RecordSource
from ecgtrace.types import FloatArray, LeadCrop

_log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
IMAGE_FORMATS = ("png", "bmp", "jpg", "webp")
_JOURNAL = ".progress.jsonl"
_LOSSLESS_WEBP = 101  # OpenCV's quality for WebP; above 100 means without loss


@dataclass(frozen=True)
class PageSpec:
    """Which page: its number in the set, the split and id of its record, and what is printed on it."""

    number: int
    split: str
    record_id: str
    sheet: Sheet

    @property
    def name(self) -> str:
        """Name as in the published sets: number and layout, `12_3by4`."""
        return f"{self.number}_{self.sheet.layout.replace('x', 'by')}"

    @property
    def n_leads(self) -> int:
        """How many traces the page holds."""
        return sum(map(len, LAYOUTS[self.sheet.layout])) + self.sheet.rhythm


@dataclass(frozen=True)
class Pages:
    """
    The pages that can be drawn of a source of records.

    Each record comes on every layout, and then with later windows of time, until all are used. Each
    column shows its own window; in the published sets all columns show the first one.

    Parameters
    ----------
    records : RecordSource
        Its splits are those of the pages, so that no patient is in two of them.
    style : PageStyle
    layouts : sequence of str
    rhythm : bool
        Add a strip of lead II below.
    seed : int
        Order of the records.
    """

    records: RecordSource
    style: PageStyle
    layouts: tuple[str, ...] = ("3x4", "3x1")
    rhythm: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "layouts", tuple(self.layouts))
        unknown = set(self.layouts) - set(LAYOUTS)
        if unknown or not self.layouts:
            raise ConfigError(f"layouts={list(self.layouts)}: choose of {', '.join(LAYOUTS)}")

    def of_split(self, split: str) -> Iterator[tuple[str, Sheet]]:
        """Yield the record and the sheet of each page of a split, all different."""
        ids = self.records.split_ids(split)
        order = np.random.default_rng([self.seed, SPLITS.index(split)]).permutation(len(ids))
        for shift in range(max(len(LAYOUTS[layout]) for layout in self.layouts)):
            for turn in range(len(self.layouts)):
                for place, which in enumerate(order):
                    layout = self.layouts[(place + turn) % len(self.layouts)]
                    columns = len(LAYOUTS[layout])
                    if shift < columns:
                        yield ids[which], Sheet(layout, shift * 10.0 / columns, self.rhythm)

    def take(self, n_pages: Mapping[str, int]) -> list[PageSpec]:
        """
        Return the first pages of each split, numbered through.

        Raises
        ------
        ConfigError
            If a split has fewer.
        """
        specs: list[PageSpec] = []
        for split, number in n_pages.items():
            pages = list(islice(self.of_split(split), number))
            if len(pages) < number:
                raise ConfigError(_too_few(number, "pages", split, len(pages), self.records))
            specs += [PageSpec(len(specs) + i, split, *page) for i, page in enumerate(pages)]
        return specs

    def plan(self, spec: PageSpec, style: PageStyle | None = None) -> Plan:
        """Lay out a page."""
        return _planned(self.records, spec.record_id, spec.sheet, style or self.style)  # type: ignore[arg-type]


@lru_cache(maxsize=2)  # the crops of a page come one after another
def _planned(records: RecordSource, record_id: str, sheet: Sheet, style: PageStyle) -> Plan:
    return sheet.plan(records.load(record_id), style)


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
class _PageSet:
    """What the digitization and the detection set share: items are pages."""

    pages: Pages
    counts: Mapping[str, int]
    jpeg_quality: int = 75

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", _checked_counts(self.counts))
        _check_quality(self.jpeg_quality)

    @cached_property
    def specs(self) -> list[PageSpec]:
        """The pages of the set."""
        return self.pages.take(self.counts)

    @cached_property
    def item_ids(self) -> list[str]:
        """Name of each page."""
        return [spec.name for spec in self.specs]

    def item_of(self, crop_id: str) -> str:
        """Return the page that a lead is on."""
        return crop_id.rsplit("_lead_", 1)[0]

    def extras(self) -> dict[str, str]:
        """Return further files of the set, name and text."""
        return {}

    def _jpeg(self, plan: Plan, number: int) -> bytes:
        """Draw a page and save it once: the style's own JPEG would be a second loss."""
        degradation = replace(plan.style.degradation, jpeg_quality=None)
        plan = replace(plan, style=replace(plan.style, degradation=degradation))
        image = draw(plan, rng=np.random.default_rng([self.pages.seed, number]))
        return encode(image, "jpg", self.jpeg_quality)

    def _rows(self, plan: Plan, spec: PageSpec) -> list[IndexRow]:
        rows = []
        for target, trace in enumerate(plan.traces):
            overlap_px, crossings = overlap(plan, target)
            rows.append(
                IndexRow(
                    crop_id=f"{spec.name}_lead_{target}",
                    record_id=spec.record_id,
                    lead=trace.lead,
                    layout=spec.sheet.layout,
                    px_per_mm=plan.style.px_per_mm,
                    fs_hz=trace.fs_hz,
                    overlap_px=overlap_px,
                    crossings=crossings,
                    split=spec.split,
                )
            )
        return rows


@dataclass(frozen=True)
class DigitizationSet(_PageSet):
    """
    Pages with their signals: `<page>/<page>.jpg` and `<page>/<page>_lead_<k>.json`.

    Parameters
    ----------
    pages : Pages
    counts : mapping of str to int
        Number of pages of each split.
    jpeg_quality : int
        The published pages: 75.
    """

    folder: ClassVar[str] = "digitization-dataset"

    def write(self, index: int, folder: Path) -> list[IndexRow]:
        """Write the image and the signals of a page."""
        spec = self.specs[index]
        plan = self.pages.plan(spec)
        write_bytes(folder / spec.name / f"{spec.name}.jpg", self._jpeg(plan, spec.number))
        for target, trace in enumerate(plan.traces):
            write_bytes(folder / spec.name / f"{spec.name}_lead_{target}.json", signal_json(trace.signal))
        return self._rows(plan, spec)

    def files(self, item_id: str, rows: Sequence[IndexRow]) -> list[str]:
        """Return the files of a page."""
        return [f"{item_id}/{item_id}.jpg", *(f"{item_id}/{row.crop_id}.json" for row in rows)]


@dataclass(frozen=True)
class DetectionSet(_PageSet):
    """
    Pages with YOLO boxes: `<split>/images/<page>.jpg`, `<split>/labels/<page>.txt`, `data.yaml`.

    Parameters
    ----------
    pages : Pages
    counts : mapping of str to int
        Number of pages of each split.
    jpeg_quality : int
        The published pages: 75.
    """

    folder: ClassVar[str] = "detection-dataset"

    def write(self, index: int, folder: Path) -> list[IndexRow]:
        """Write the image and the boxes of a page."""
        spec = self.specs[index]
        plan = self.pages.plan(spec)
        boxes = to_yolo(page_boxes(plan), plan.width, plan.height)
        rows = self._rows(plan, spec)
        image, labels = self.files(spec.name, rows)
        write_bytes(folder / image, self._jpeg(plan, spec.number))
        write_bytes(folder / labels, boxes.encode())
        return rows

    def files(self, item_id: str, rows: Sequence[IndexRow]) -> list[str]:
        """Return the files of a page."""
        split = rows[0].split
        return [f"{split}/images/{item_id}.jpg", f"{split}/labels/{item_id}.txt"]

    def extras(self) -> dict[str, str]:
        """Return `data.yaml`."""
        return {"data.yaml": data_yaml()}


@dataclass(frozen=True)
class SegmentationSet:
    """
    Crops of every lead of pages: `<split>/{image,mask-png,mask-bmp,signal-json}/<page>_lead_<k>.*`.

    Parameters
    ----------
    pages : Pages
    counts : mapping of str to int
        Number of crops of each split.
    dense : float
        Share of pages with rows closer than the style's. The paper tells of a "reduction of vertical
        spacing in some samples"; share and range are our choice.
    row_spacing_mm : tuple of float
        Range of their distance.
    image_format : {"png", "bmp", "jpg", "webp"}
        Of the images; all but jpg are without loss. Masks are always without loss.
    jpeg_quality : int
        For jpg.
    """

    folder: ClassVar[str] = "segmentation"

    pages: Pages
    counts: Mapping[str, int]
    dense: float = 0.5
    row_spacing_mm: tuple[float, float] = (5.0, 15.0)
    image_format: str = "png"
    jpeg_quality: int = 95

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", _checked_counts(self.counts))
        object.__setattr__(self, "row_spacing_mm", tuple(self.row_spacing_mm))
        _check_format(self.image_format, self.jpeg_quality)
        low, high = self.row_spacing_mm
        if not 0 <= self.dense <= 1 or not 0 < low <= high:
            raise ConfigError("segmentation.dense is a share, and row_spacing_mm a range above 0")

    @cached_property
    def specs(self) -> list[tuple[PageSpec, int]]:
        """Page and lead of each crop."""
        crops: list[tuple[PageSpec, int]] = []
        first = 0
        for split, wanted in self.counts.items():
            found: list[tuple[PageSpec, int]] = []
            for record_id, sheet in self.pages.of_split(split):
                if len(found) >= wanted:
                    break
                spec = PageSpec(first, split, record_id, sheet)
                found += [(spec, target) for target in range(spec.n_leads)]
                first += 1
            if len(found) < wanted:
                raise ConfigError(_too_few(wanted, "crops", split, len(found), self.pages.records))
            crops += found[:wanted]
        return crops

    @cached_property
    def item_ids(self) -> list[str]:
        """Name of each crop."""
        return [f"{spec.name}_lead_{target}" for spec, target in self.specs]

    def item_of(self, crop_id: str) -> str:
        """Return the crop itself."""
        return crop_id

    def style(self, spec: PageSpec) -> PageStyle:
        """Return the style of a page: rows closer, or as they are."""
        rng = np.random.default_rng([self.pages.seed, spec.number])
        if rng.random() >= self.dense:
            return self.pages.style
        return replace(self.pages.style, row_spacing_mm=float(rng.uniform(*self.row_spacing_mm)))

    def write(self, index: int, folder: Path) -> list[IndexRow]:
        """Write a crop."""
        spec, target = self.specs[index]
        rng = np.random.default_rng([self.pages.seed, spec.number, target])
        plan = self.pages.plan(spec, self.style(spec))
        crop = cut(plan, target, self.item_ids[index], rng)
        write_crop(crop, folder / spec.split, self.image_format, self.jpeg_quality)
        return [index_row(crop, spec.split)]

    def files(self, item_id: str, rows: Sequence[IndexRow]) -> list[str]:
        """Return the files of a crop."""
        return [f"{rows[0].split}/{path}" for path in crop_files(item_id, self.image_format)]

    def extras(self) -> dict[str, str]:
        """Return further files of the set: none."""
        return {}


@dataclass(frozen=True)
class OverlapSet:
    """
    Crops parted by overlap: `{with,without}-overlap/{image,mask-png,mask-bmp,signal-json}/<crop>.*`.

    Parameters
    ----------
    crops : DrawnCrops
        The same crops as an evaluation draws of the same config.
    image_format : {"png", "bmp", "jpg", "webp"}
        Of the images; all but jpg are without loss. Masks are always without loss.
    jpeg_quality : int
        For jpg.
    """

    folder: ClassVar[str] = "overlap-dataset"

    crops: DrawnCrops
    image_format: str = "png"
    jpeg_quality: int = 95

    def __post_init__(self) -> None:
        _check_format(self.image_format, self.jpeg_quality)

    @cached_property
    def item_ids(self) -> list[str]:
        """Name of each crop."""
        return [self.crops.crop_id(index) for index in range(len(self.crops))]

    def item_of(self, crop_id: str) -> str:
        """Return the crop itself."""
        return crop_id

    def write(self, index: int, folder: Path) -> list[IndexRow]:
        """Write a crop."""
        crop = self.crops[index]
        row = index_row(crop, self.crops.split)
        write_crop(crop, folder / self._part(row), self.image_format, self.jpeg_quality)
        return [row]

    def files(self, item_id: str, rows: Sequence[IndexRow]) -> list[str]:
        """Return the files of a crop."""
        return [f"{self._part(rows[0])}/{path}" for path in crop_files(item_id, self.image_format)]

    def extras(self) -> dict[str, str]:
        """Return further files of the set: none."""
        return {}

    def _part(self, row: IndexRow) -> str:
        return WITH_OVERLAP if row.overlap_px > 0 else WITHOUT_OVERLAP


def write_crop(crop: LeadCrop, folder: Path, image_format: str = "png", jpeg_quality: int = 95) -> None:
    """
    Write image, both masks and signal of a crop.

    Masks have one channel, 0 and 255, in both formats.
    """
    if Path(crop.crop_id).name != crop.crop_id:
        raise DataError(f"{crop.crop_id!r} cannot be the name of a file; rename the record")
    mask = crop.mask * np.uint8(255)
    image, png, bmp, values = crop_files(crop.crop_id, image_format)
    write_bytes(folder / image, encode(crop.image, image_format, jpeg_quality))
    write_bytes(folder / png, encode(mask, "png"))
    write_bytes(folder / bmp, encode(mask, "bmp"))
    write_bytes(folder / values, signal_json(crop.signal))


def crop_files(crop_id: str, image_format: str) -> list[str]:
    """Return the files of a crop: image, mask as PNG and as BMP, signal."""
    return [
        f"{IMAGE}/{crop_id}.{image_format}",
        f"{MASK_PNG}/{crop_id}.png",
        f"{MASK_BMP}/{crop_id}.bmp",
        f"{SIGNAL}/{crop_id}.json",
    ]


def index_row(crop: LeadCrop, split: str) -> IndexRow:
    """Return a crop's line of the index."""
    if crop.px_per_mm is None:
        raise DataError(f"the scale of {crop.crop_id} is unknown; only drawn crops can be written")
    return IndexRow(
        crop_id=crop.crop_id,
        record_id=crop.record_id,
        lead=crop.lead,
        layout=crop.layout,
        px_per_mm=crop.px_per_mm,
        fs_hz=crop.fs_hz,
        overlap_px=crop.overlap_px,
        crossings=crop.crossings,
        split=split,
        start_px=crop.start_px,
    )


def signal_json(samples: FloatArray) -> bytes:
    """Return samples as a bare JSON list; every digit is kept."""
    return json.dumps([float(value) for value in samples]).encode()


def encode(image: NDArray[np.uint8], image_format: str, jpeg_quality: int = 95) -> bytes:
    """Return an RGB image, or a mask of one channel, as the bytes of a file."""
    options: list[int] = []
    if image_format == "jpg":
        options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]
    elif image_format == "webp":
        options = [cv2.IMWRITE_WEBP_QUALITY, _LOSSLESS_WEBP]
    _, data = cv2.imencode(f".{image_format}", image[..., ::-1] if image.ndim == 3 else image, options)
    return bytes(data.tobytes())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file that is either there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


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
    names = ("digitization", "detection", "segmentation", "overlap")
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


def _too_few(wanted: int, what: str, split: str, there: int, records: RecordSource) -> str:
    return (
        f"{wanted} {what} are wanted of split {split}, but the {len(records.split_ids(split))} records of "
        f"{records.name} give only {there}; lower the count, add layouts, or use more records"
    )


def _checked_counts(counts: Mapping[str, int]) -> dict[str, int]:
    unknown = set(counts) - set(SPLITS)
    if unknown:
        raise ConfigError(f"counts: there is no split {', '.join(sorted(unknown))}; {', '.join(SPLITS)}")
    if any(number < 0 for number in counts.values()) or not any(counts.values()):
        raise ConfigError("counts must not be negative, and not all zero")
    return {split: int(counts[split]) for split in SPLITS if counts.get(split)}


def _check_quality(quality: int) -> None:
    if not 1 <= quality <= 100:
        raise ConfigError(f"jpeg_quality must lie in 1..100, got {quality}")


def _check_format(image_format: str, jpeg_quality: int) -> None:
    if image_format not in IMAGE_FORMATS:
        raise ConfigError(f"image_format={image_format} is unknown; choose one of {', '.join(IMAGE_FORMATS)}")
    _check_quality(jpeg_quality)
