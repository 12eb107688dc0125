"""
The four published sets: which items each has, and the files of an item.

Layout and names follow https://github.com/rezakarbasi/ecg-image-and-signal-dataset and doi
10.5281/zenodo.15484519 (arXiv 2506.06315). Signals are bare JSON lists in mV, as there, so that
programs made for the published sets read these. What they lack stands in one `index.csv` per set.
`export` writes a set to disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from ecgtrace.datasets.crop_files import (
    check_format,
    check_quality,
    crop_files,
    encode,
    index_row,
    signal_json,
    write_bytes,
    write_crop,
)
from ecgtrace.datasets.cut import cut, overlap
from ecgtrace.datasets.drawn import DrawnCrops
from ecgtrace.datasets.folder_files import WITH_OVERLAP, WITHOUT_OVERLAP
from ecgtrace.datasets.index import IndexRow
from ecgtrace.datasets.page_list import Pages, PageSpec, too_few
from ecgtrace.drawing.layout import Plan
from ecgtrace.drawing.render import draw
from ecgtrace.drawing.style import PageStyle
from ecgtrace.drawing.yolo_labels import data_yaml, page_boxes, to_yolo
from ecgtrace.errors import ConfigError
from ecgtrace.records.splits import SPLITS


@dataclass(frozen=True)
class _PageSet:
    """What the digitization and the detection set share: items are pages."""

    pages: Pages
    counts: Mapping[str, int]
    jpeg_quality: int = 75

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", _checked_counts(self.counts))
        check_quality(self.jpeg_quality)

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
        check_format(self.image_format, self.jpeg_quality)
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
                raise ConfigError(too_few(wanted, "crops", split, len(found), self.pages.records))
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
        check_format(self.image_format, self.jpeg_quality)

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


def _checked_counts(counts: Mapping[str, int]) -> dict[str, int]:
    unknown = set(counts) - set(SPLITS)
    if unknown:
        raise ConfigError(f"counts: there is no split {', '.join(sorted(unknown))}; {', '.join(SPLITS)}")
    if any(number < 0 for number in counts.values()) or not any(counts.values()):
        raise ConfigError("counts must not be negative, and not all zero")
    return {split: int(counts[split]) for split in SPLITS if counts.get(split)}
