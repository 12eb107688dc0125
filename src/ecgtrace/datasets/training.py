"""
Crops to train on: rich in overlap, drawn on the fly, each one a function of its number.

What a page may look like is wider here than in evaluation: leads change places, windows
start anywhere, rows stand closer, so that neighbours enter and cross the target.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from ecgtrace.datasets.cut import TIGHT, BoxJitter, crop_box, crossings, cut
from ecgtrace.drawing.degrade import Box
from ecgtrace.drawing.jitter import Jittered, StyleJitter
from ecgtrace.drawing.layout import LAYOUTS, Plan, lay_out, resample
from ecgtrace.drawing.printers import StyleSource
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import ConfigError
from ecgtrace.records.splits import RecordSource
from ecgtrace.types import LeadCrop, Record, Trace

KINDS = ("none", "entering", "crossing", "enclosed")
_ENCLOSED = 0.25  # share of another lead's line inside the box
_PAGE_S = 10.0


@dataclass(frozen=True)
class TrainingCrops(Sequence[LeadCrop]):
    """
    Endless training crops: any index gives one.

    Parameters
    ----------
    records : RecordSource
    style : PageStyle
        What pages look like before `jitter`.
    printer : StyleSource, optional
        Draws the style of each page (`drawing.printers`), in place of `style` and `jitter`.
    box : BoxJitter
        How a person cuts.
    finest_px_per_mm : float
        Finer pages are drawn at this resolution: what the network sees of them is coarser still.
    tight : float
        Share of crops that are cut as the published dataset cuts them all the same.
    split : {"train", "val", "all"}
        The test split is refused.
    layouts : dict of str to float
        Share of each layout.
    kinds : dict of str to float
        Wanted share of each kind of crop; the kinds are those of `kind`.
    row_spacing_mm : tuple of float
        Range of the distance of rows, for the share `dense` of pages.
    dense : float
        Share of pages with rows closer than the style's.
    gain : tuple of float
        Range of a factor on the amplitudes.
    window_s : float
        Longer leads are shown through a window of this length at a random place, as the
        segmentation model sees them.
    jitter : StyleJitter
    size : int
        What `len` says.
    seed : int
    """

    records: RecordSource
    style: PageStyle
    split: str = "train"
    layouts: tuple[tuple[str, float], ...] = (("3x4", 0.7), ("3x1", 0.1), ("6x2", 0.1), ("12x1", 0.1))
    kinds: tuple[tuple[str, float], ...] = (("none", 0.25), ("entering", 0.4), ("crossing", 0.35))
    row_spacing_mm: tuple[float, float] = (4.0, 15.0)
    dense: float = 0.7
    gain: tuple[float, float] = (0.7, 1.5)
    window_s: float = 2.5
    jitter: StyleJitter = field(default_factory=StyleJitter)
    printer: StyleSource | None = None
    box: BoxJitter = TIGHT
    tight: float = 0.0
    finest_px_per_mm: float = 24.0
    size: int = 20000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.split == "test":
            raise ConfigError("the test split is for evaluate.py alone; train on split=train")
        for name in ("layouts", "kinds"):
            value = getattr(self, name)
            pairs = tuple(value.items()) if hasattr(value, "items") else tuple(map(tuple, value))
            object.__setattr__(self, name, pairs)
        unknown = {k for k, _ in self.kinds} - set(KINDS) or {k for k, _ in self.layouts} - set(LAYOUTS)
        if unknown:
            raise ConfigError(f"unknown {', '.join(sorted(unknown))}; choose of {KINDS} and {tuple(LAYOUTS)}")

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> LeadCrop:  # type: ignore[override]
        rng = np.random.default_rng([self.seed, index])
        ids = self.records.split_ids(self.split)
        wanted = _choose(self.kinds, rng)
        printer = self.printer or Jittered(self.style, self.jitter)
        for _ in range(12):  # an easy kind is found at once; a flat record may never cross
            record_id = ids[rng.integers(len(ids))]
            style = printer.draw_style(rng)
            style = replace(style, px_per_mm=min(style.px_per_mm, self.finest_px_per_mm))
            record = _resampled(self.records, record_id, style.fs_hz)  # type: ignore[arg-type]
            plan = self._draw_plan(record, style, rng)
            # In a random order, so that the first one of the wanted kind is any of them.
            order = [int(i) for i in rng.permutation(len(plan.traces))]
            found = next((i for i in order if kind(plan, i) == wanted), None)
            if found is not None:
                break
        target = order[0] if found is None else found
        jitter = TIGHT if self.box.outward_mm and rng.random() < self.tight else self.box
        box = self._window(jitter.box(plan, target, rng), plan.traces[target], rng)
        return cut(plan, target, f"{plan.record_id}_{index}", rng, box)

    def _draw_plan(self, record: Record, style: PageStyle, rng: np.random.Generator) -> Plan:
        if rng.random() < self.dense:
            style = replace(style, row_spacing_mm=rng.uniform(*self.row_spacing_mm))
        layout = _choose(self.layouts, rng)
        columns = len(LAYOUTS[layout])
        window_s = _PAGE_S / columns
        # Starts fall on whole samples at every sampling frequency in use.
        starts = tuple(np.round(rng.uniform(0, _PAGE_S - window_s, columns), 1).tolist())
        # A shuffled record keeps its lead names in place, and shows other leads under them.
        signal = record.signal[rng.permutation(len(record.signal))] * rng.uniform(*self.gain)
        return lay_out(replace(record, signal=signal), layout, style, starts_s=starts)

    def _window(self, box: Box, trace: Trace, rng: np.random.Generator) -> Box:
        """Return the part of a long lead's box that the network sees at once."""
        windows = max(1, round((trace.end_s - trace.start_s) / self.window_s))
        if windows == 1:
            return box
        x0, y0, x1, y1 = box
        width = (x1 - x0) / windows
        # As in inference: the windows tile the crop; training takes any place, ends included.
        left = np.clip(rng.uniform(-0.2, windows - 0.8) * width, 0, x1 - x0 - width)
        return x0 + round(left), y0, x0 + round(left + width), y1


def kind(plan: Plan, target: int) -> str:
    """
    Say what other leads do to the crop of a lead.

    "enclosed": another lead runs inside the box for a quarter of its length or more, so that there are
    two traces to choose from; "crossing": none does, but one crosses the target; "entering": one only
    enters the box; "none". By centre lines alone, without drawing: quick, and near enough for choosing.
    """
    x0, y0, x1, y1 = crop_box(plan, target)
    inside = []
    for index, trace in enumerate(plan.traces):
        if index != target:
            x, y = trace.polyline.T
            inside.append(np.count_nonzero((x > x0) & (x < x1) & (y > y0) & (y < y1)) / len(x))
    if max(inside) >= _ENCLOSED:
        return "enclosed"
    if crossings(plan, target):
        return "crossing"
    return "entering" if max(inside) > 0.005 else "none"


@lru_cache(maxsize=512)  # 0.1 MB each at 100 Hz; a worker meets the same record again and again
def _resampled(records: RecordSource, record_id: str, fs_hz: float | None) -> Record:
    record = records.load(record_id)
    if fs_hz is None:
        return record
    return replace(record, signal=resample(record.signal, record.fs_hz, fs_hz), fs_hz=fs_hz)


def _choose(shares: Sequence[tuple[str, float]], rng: np.random.Generator) -> str:
    names, weights = zip(*shares, strict=True)
    return str(rng.choice(names, p=np.asarray(weights) / np.sum(weights)))
