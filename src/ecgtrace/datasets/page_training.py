"""Whole pages to train the page network on: drawn on the fly, each one a function of its number."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgtrace.drawing.page_designer import PageDesigner
from ecgtrace.drawing.page_plan import PagePlan, plan_page
from ecgtrace.drawing.page_render import Matrix, Scan, draw_picture
from ecgtrace.drawing.page_truth import TARGET_PX_PER_MM, PageTargets, page_targets
from ecgtrace.drawing.printers import Range, StyleSource
from ecgtrace.errors import ConfigError
from ecgtrace.records.splits import RecordSource
from ecgtrace.types import Record


@dataclass(frozen=True, eq=False)
class TrainingPage:
    """
    A picture of a whole page, and its targets.

    Attributes
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB, at the resolution of the picture.
    px_per_mm_x, px_per_mm_y : float
        What the resolution is taken to be; off by up to the scale error.
    targets : PageTargets
        Of the picture resampled from there to `targets.px_per_mm`.
    """

    image: NDArray[np.uint8]
    px_per_mm_x: float
    px_per_mm_y: float
    targets: PageTargets


class DrawnPage(NamedTuple):
    """A picture of a whole page, its resolution as of `TrainingPage`, and how it was drawn."""

    image: NDArray[np.uint8]
    px_per_mm_x: float
    px_per_mm_y: float
    plan: PagePlan
    matrix: Matrix
    size: tuple[int, int]


@dataclass(frozen=True)
class ScanMix:
    """
    How pages lie in their pictures. Ranges are our choice: straight to within a degree or so.

    Attributes
    ----------
    turned, bordered, shaded : float
        Share of pages turned, with more of the scanner around them, and in uneven light.
    turn_deg, border_mm, shade : tuple of float
        Ranges; of a turn, to either side.
    """

    turned: float = 0.5
    bordered: float = 0.1
    shaded: float = 0.25
    turn_deg: Range = (0.0, 1.5)
    border_mm: Range = (1.0, 12.0)
    shade: Range = (0.7, 1.0)

    def draw(self, rng: np.random.Generator) -> Scan:
        """Return how one page lies."""
        turn_deg = (
            float(rng.uniform(*self.turn_deg) * rng.choice([-1, 1])) if rng.random() < self.turned else 0.0
        )
        border_mm = float(rng.uniform(*self.border_mm)) if rng.random() < self.bordered else 0.0
        level = 255 if rng.random() < 0.5 else int(rng.integers(0, 255))
        shade = (1.0, 1.0, 1.0, 1.0)
        if rng.random() < self.shaded:
            a, b, c, d = rng.uniform(*self.shade, 4).tolist()
            shade = (a, b, c, d)
        return Scan(turn_deg, (level, level, level), border_mm, shade)


@dataclass(frozen=True)
class TrainingPages(Sequence[TrainingPage]):
    """
    Endless training pages: any index gives one.

    Parameters
    ----------
    records : RecordSource
    printer : StyleSource
        Colours, widths, letters.
    split : {"train", "val", "all"}
        The test split is refused.
    designer : PageDesigner, optional
        Layouts and all that is printed; its printer and resolution are those given here.
    scans : ScanMix, optional
    px_per_mm : tuple of float
        Resolutions to draw at.
    target_px_per_mm : float
    scale_error : float
        The resolution told is off by up to this share, in x and y apart.
    gain : tuple of float
        Range of a factor on the amplitudes.
    shuffled : float
        Share of pages that show leads under each other's names: an order of shapes is not to be learnt.
    size, seed : int
    """

    records: RecordSource
    printer: StyleSource
    split: str = "train"
    designer: PageDesigner = field(default_factory=lambda: PageDesigner(other_leads=0.08, faint=0.15))
    scans: ScanMix = field(default_factory=ScanMix)
    px_per_mm: Range = (4.0, 10.0)
    target_px_per_mm: float = TARGET_PX_PER_MM
    scale_error: float = 0.01
    gain: Range = (0.6, 1.8)
    shuffled: float = 0.3
    size: int = 20000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.split == "test":
            raise ConfigError("the test split is for evaluate.py alone; train on split=train")

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> TrainingPage:  # type: ignore[override]
        drawn = self.drawn(index)
        scale = drawn.px_per_mm_x, drawn.px_per_mm_y
        targets = page_targets(drawn.plan, drawn.matrix, drawn.size, *scale, self.target_px_per_mm)
        return TrainingPage(drawn.image, *scale, targets)

    def drawn(self, index: int) -> DrawnPage:
        """Return a page without its targets, and what they are drawn from."""
        rng = np.random.default_rng([self.seed, index])
        ids = _ids(self.records, self.split)  # type: ignore[arg-type]
        record = _loaded(self.records, ids[rng.integers(len(ids))])  # type: ignore[arg-type]
        signal = record.signal * rng.uniform(*self.gain)
        if rng.random() < self.shuffled:
            signal = signal[rng.permutation(len(signal))]
        designer = replace(self.designer, printer=self.printer, px_per_mm=self.px_per_mm)
        plan = plan_page(replace(record, signal=signal), designer.draw(rng, record.duration_s))
        scan = self.scans.draw(rng)
        matrix, size = scan.matrix(plan)
        error = rng.uniform(-self.scale_error, self.scale_error, 2)
        px_per_mm_x, px_per_mm_y = (plan.style.px_per_mm * (1 + error)).tolist()
        return DrawnPage(draw_picture(plan, scan, rng), px_per_mm_x, px_per_mm_y, plan, matrix, size)


@lru_cache(maxsize=8)
def _ids(records: RecordSource, split: str) -> tuple[str, ...]:
    return records.split_ids(split)


@lru_cache(maxsize=64)  # 0.5 MB each at 500 Hz
def _loaded(records: RecordSource, record_id: str) -> Record:
    return records.load(record_id)
