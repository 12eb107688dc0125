"""
Crops to train on: rich in overlap, drawn on the fly, each one a function of its number.

What a page may look like is wider here than in evaluation: leads change places, windows
start anywhere, rows stand closer, so that neighbours enter and cross the target.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ecgtrace.crops.cut import crop_box, crossings, cut
from ecgtrace.errors import ConfigError
from ecgtrace.pages.degrade import Degradation
from ecgtrace.pages.layout import LAYOUTS, Plan, lay_out, resample
from ecgtrace.pages.style import PageStyle
from ecgtrace.records.splits import RecordSource
from ecgtrace.types import LeadCrop, Record

KINDS = ("none", "entering", "crossing", "enclosed")
_ENCLOSED = 0.25  # share of another lead's line inside the box
_PAGE_S = 10.0


@dataclass(frozen=True)
class StyleJitter:
    """
    How often and how far training pages leave the style they start from. Our choice.

    Attributes
    ----------
    probability : float
        Of each of the changes below, independently.
    line_width_mm, px_per_mm : tuple of float
        Ranges.
    jpeg_quality : tuple of int
        Range; half of the changed pages are saved without loss.
    name_offset_mm : tuple of float, optional
        Range of the place of the printed names, for half of the pages whatever `probability` says: low
        ones lie on traces. By default names stay where the style has them.
    """

    probability: float = 0.2
    line_width_mm: tuple[float, float] = (0.2, 0.55)
    px_per_mm: tuple[float, float] = (6.0, 20.0)
    jpeg_quality: tuple[int, int] = (40, 95)
    name_offset_mm: tuple[float, float] | None = None

    def apply(self, style: PageStyle, rng: np.random.Generator) -> PageStyle:
        """Return a changed style."""
        changes: dict[str, object] = {}
        if rng.random() < self.probability:
            changes["line_width_mm"] = rng.uniform(*self.line_width_mm)
        if rng.random() < self.probability:
            changes["px_per_mm"] = rng.uniform(*self.px_per_mm)
        if rng.random() < self.probability:
            # Pastel major lines of any hue, and minor ones of the same hue, paler or absent.
            major = rng.integers(110, 235, 3)
            pale = 255 - (255 - major) * rng.uniform(0.1, 0.6)
            changes["grid_major"] = tuple(int(v) for v in major)
            changes["grid_minor"] = None if rng.random() < 0.3 else tuple(int(v) for v in pale)
        if rng.random() < self.probability:
            changes["ink"] = tuple(int(v) for v in rng.integers(0, 90, 3))
        if rng.random() < self.probability:
            quality = None if rng.random() < 0.5 else int(rng.integers(*self.jpeg_quality))
            grey = bool(rng.random() < 0.5)
            changes["degradation"] = Degradation(grey=grey, jpeg_quality=quality)
        if self.name_offset_mm is not None and rng.random() < 0.5:
            changes["name_offset_mm"] = rng.uniform(*self.name_offset_mm)
        return replace(style, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class TrainingCrops(Sequence[LeadCrop]):
    """
    Endless training crops: any index gives one.

    Parameters
    ----------
    records : RecordSource
    style : PageStyle
        What pages look like before `jitter`.
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
    jitter: StyleJitter = StyleJitter()
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
        for _ in range(12):  # an easy kind is found at once; a flat record may never cross
            plan = self._draw_plan(self._record(ids[rng.integers(len(ids))]), rng)
            targets = [i for i in range(len(plan.traces)) if kind(plan, i) == wanted]
            if targets:
                break
        else:
            targets = list(range(len(plan.traces)))
        crop = cut(plan, int(rng.choice(targets)), f"{plan.record_id}_{index}", rng)
        return self._through_window(crop, plan, rng)

    def _record(self, record_id: str) -> Record:
        return _resampled(self.records, record_id, self.style.fs_hz)  # type: ignore[arg-type]

    def _draw_plan(self, record: Record, rng: np.random.Generator) -> Plan:
        style = self.jitter.apply(self.style, rng)
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

    def _through_window(self, crop: LeadCrop, plan: Plan, rng: np.random.Generator) -> LeadCrop:
        duration_s = len(crop.signal) / crop.fs_hz
        windows = max(1, round(duration_s / self.window_s))
        if windows == 1:
            return crop
        width = crop.image.shape[1] / windows
        # As in inference: the windows tile the crop; training takes any place, ends included.
        left = np.clip(rng.uniform(-0.2, windows - 0.8) * width, 0, crop.image.shape[1] - width)
        part = slice(round(left), round(left + width))
        return replace(
            crop,
            image=np.ascontiguousarray(crop.image[:, part]),
            mask=np.ascontiguousarray(crop.mask[:, part]),
            other_mask=None if crop.other_mask is None else np.ascontiguousarray(crop.other_mask[:, part]),
            polyline=None,
        )


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
