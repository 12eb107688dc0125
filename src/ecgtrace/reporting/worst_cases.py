"""
The crops on which a digitizer does worst, by record: which they are, how they look, why they went wrong.

Rows of an evaluation say which crops are bad; the crops themselves are drawn (or read) again, since they
are a function of the configuration that stands beside the rows.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from omegaconf import OmegaConf

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation import metrics
from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions, align
from ecgtrace.evaluation.rows import FAILED, read_rows
from ecgtrace.evaluation.runner import (
    PROVENANCE,
    ROWS,
    CropSource,
    DigitizerLike,
    describe_error,
    digitize_crop,
)
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.reporting.figures import GRID_COLOUR, overlay_figure
from ecgtrace.types import FloatArray, LeadCrop, LeadSignal
from ecgtrace.units import px_to_mv

# From where on a number is called the cause. A share of columns this small is a corner of the crop; scales
# are found within 0.5 % on all reference crops, so four times that is no accident.
_SHARE = 0.02
_GRID_ERROR = 0.02
_RANGE_KEPT = 0.95
_FLAT_MV = 0.3  # from peak to peak: the stroke is a tenth of it, so its unevenness shows in r
_NEAR_MM = 0.15  # half a stroke: a centre line this close to ink is on it

_WRONG_COLOUR = "#CC79A7"
_MISSING_COLOUR = "0.5"
_MARKERS = {NON_OVERLAP: ("o", "#0072B2"), OVERLAP: ("s", "#D55E00")}


@dataclass(frozen=True)
class Evaluation:
    """
    A finished evaluation, opened again.

    Attributes
    ----------
    rows : DataFrame
        Columns as `ecgtrace.evaluation.rows.Row`.
    source : CropSource
        Gives the very crops of the rows.
    digitizer : callable
        The first digitizer of the evaluation (not those of `compare`).
    align : AlignOptions
    """

    rows: pd.DataFrame
    source: CropSource
    digitizer: DigitizerLike
    align: AlignOptions = DEFAULT_ALIGN

    def crop(self, crop_id: str) -> LeadCrop:
        """Draw or read a crop again."""
        for index in range(len(self.source)):
            if self.source.crop_id(index) == crop_id:
                return self.source[index]
        raise DataError(f"there is no crop {crop_id} in this evaluation; were its rows made with other data?")


def reopen(folder: Path, records_root: Path | str | None = None) -> Evaluation:
    """
    Open the run folder of an evaluation.

    Parameters
    ----------
    folder : Path
        With `rows.csv` and `provenance.json`, as `evaluate.py` leaves them.
    records_root : Path or str, optional
        Where the records (or the dataset) are now, if not where they were.

    Raises
    ------
    DataError
        If the folder is not one of an evaluation, or its records are not there.
    """
    rows = read_rows(folder / ROWS)
    config = _config(folder / PROVENANCE)
    data = dict(config["data"])
    if records_root is not None:
        if "root" in data.get("records", {}):
            data["records"] = data["records"] | {"root": str(records_root)}
        elif "root" in data:
            data["root"] = str(records_root)
    # "object": as in the evaluation, nodes that are dataclasses reach the source as such.
    source: CropSource = instantiate(OmegaConf.create(data), _convert_="object")
    return Evaluation(rows, source, instantiate(config["digitizer"]), instantiate(config["align"]))


def rank_records(rows: pd.DataFrame, digitizer: str = "proposed", by: str = "worst_r") -> pd.DataFrame:
    """
    Sum up the crops of each record, the worst record first.

    Parameters
    ----------
    rows : DataFrame
        Columns as `ecgtrace.evaluation.rows.Row`. Crops that could not be read belong to no record and are
        left out; those that could not be digitized count, with r 0.
    digitizer : str, optional
        Whose rows.
    by : {"worst_r", "mean_r", "mean_mse_mv2", "worst_mse_mv2"}, optional

    Returns
    -------
    DataFrame
        A row per record: `crops`, `failed`, `worst_r`, `mean_r`, `worst_mse_mv2`, `mean_mse_mv2`, and
        `worst_crop`, the crop with the lowest r. Ties go by the record's name.

    Raises
    ------
    ConfigError
        If there are no rows of this digitizer, or `by` is unknown.

    Examples
    --------
    >>> rows = pd.DataFrame({
    ...     "record_id": ["a", "a", "b"], "crop_id": ["a1", "a2", "b1"], "digitizer": "proposed",
    ...     "status": "ok", "r": [0.99, 0.7, 0.9], "mse_mv2": [0.001, 0.02, 0.01], "n_samples": 250.0,
    ... })
    >>> rank_records(rows).reset_index()[["record_id", "crops", "worst_r", "mean_r", "worst_crop"]]
      record_id  crops  worst_r  mean_r worst_crop
    0         a      2      0.7   0.845         a2
    1         b      1      0.9   0.900         b1
    """
    rising = {"worst_r": True, "mean_r": True, "mean_mse_mv2": False, "worst_mse_mv2": False}
    if by not in rising:
        raise ConfigError(f"by={by} is unknown; choose one of {', '.join(rising)}")
    records = _rows_of(rows, digitizer).sort_values(["r", "crop_id"]).groupby("record_id")
    ranked = pd.DataFrame(
        {
            "crops": records.size(),
            "failed": records["status"].agg(lambda status: int((status == FAILED).sum())),
            "worst_r": records["r"].min(),
            "mean_r": records["r"].mean(),
            "worst_mse_mv2": records["mse_mv2"].max(),
            "mean_mse_mv2": records["mse_mv2"].mean(),
            "worst_crop": records["crop_id"].first(),
        }
    )
    return ranked.sort_values(by, ascending=rising[by], kind="stable")


def worst_crops(
    rows: pd.DataFrame, digitizer: str = "proposed", n_records: int = 3, per_record: int = 2
) -> pd.DataFrame:
    """
    Choose the crops to look at: the worst few of each of the worst few records.

    Parameters
    ----------
    rows : DataFrame
        As for `rank_records`, which puts the records in order.
    digitizer : str, optional
    n_records, per_record : int, optional

    Returns
    -------
    DataFrame
        Rows of `rows`: record by record, lowest r first.
    """
    records = rank_records(rows, digitizer).index[:n_records]
    own = _rows_of(rows, digitizer).sort_values(["r", "crop_id"])
    return pd.concat([own[own["record_id"] == record].head(per_record) for record in records])


@dataclass(frozen=True)
class Diagnosis:
    """
    What a digitized crop looks like beside its truth, in numbers.

    The four shares are of the columns in which the target has ink, and add up to 1.

    Attributes
    ----------
    on_target : float
        The path lies on the target's ink, or between its ends where a steep wave fills the column.
    on_other : float
        It lies on the ink of another lead alone. 0 where a dataset does not tell the others' ink.
    off_ink : float
        It lies on neither.
    missing : float
        There is no path.
    gain : float or None
        Slope of the digitized signal over the truth: 0.8 where amplitudes come out a fifth too small.
    lag_s : float or None
        Removed before comparing; positive where the digitized signal was late.
    r : float
    mse_mv2 : float
    grid_error : float or None
        The larger relative error of the scale in x and y; None where the true scale is not known.
    range_mv : float
        Of the truth, from peak to peak.
    range_kept : float or None
        Range of the digitized signal over that of the truth: below 1 where peaks are cut.
    px_mv : float or None
        What a pixel is worth.
    message : str
        Why there is no signal; else empty.
    """

    on_target: float
    on_other: float
    off_ink: float
    missing: float
    gain: float | None
    lag_s: float | None
    r: float
    mse_mv2: float
    grid_error: float | None
    range_mv: float
    range_kept: float | None
    px_mv: float | None
    message: str = ""

    @property
    def cause(self) -> str:
        """One line: the first thing that explains a bad result."""
        if self.message:
            return f"not digitized: {self.message}"
        if self.grid_error is not None and abs(self.grid_error) > _GRID_ERROR:
            return f"the scale is off by {self.grid_error:+.1%}"
        if self.on_other > _SHARE:
            return f"follows another lead in {self.on_other:.0%} of the columns"
        if self.missing > _SHARE:
            return f"finds no trace in {self.missing:.0%} of the columns"
        if self.off_ink > _SHARE:
            return f"is beside all traces in {self.off_ink:.0%} of the columns (merged ink, a name, the grid)"
        pixel = "" if self.px_mv is None else f"; a pixel is {self.px_mv:.3f} mV"
        if self.range_mv < _FLAT_MV:
            return f"a flat lead, {self.range_mv:.2f} mV from peak to peak{pixel}"
        if self.range_kept is not None and self.range_kept < _RANGE_KEPT:
            return (
                f"follows the right trace, but cuts its peaks: {1 - self.range_kept:.0%} of the range is lost"
            )
        return f"follows the right trace; what is left is its fine shape{pixel}"


_NUMBERS = tuple(field.name for field in fields(Diagnosis) if field.name != "message")


@dataclass(frozen=True)
class WorstCase:
    """
    A crop, what was made of it, and why.

    Attributes
    ----------
    crop : LeadCrop
    digitized : LeadSignal or None
        None where digitizing failed.
    diagnosis : Diagnosis
    """

    crop: LeadCrop
    digitized: LeadSignal | None
    diagnosis: Diagnosis


def look_again(evaluation: Evaluation, crop_id: str) -> WorstCase:
    """Draw a crop of an evaluation again, digitize it again, and say what went wrong."""
    crop = evaluation.crop(crop_id)
    try:
        digitized = digitize_crop(evaluation.digitizer, crop)
        return WorstCase(crop, digitized, diagnose(crop, digitized, evaluation.align))
    except Exception as error:  # as in the evaluation, any failure is a result
        return WorstCase(crop, None, _failed(crop, describe_error(error)))


def as_table(cases: Sequence[WorstCase]) -> pd.DataFrame:
    """
    Put diagnoses side by side.

    Returns
    -------
    DataFrame
        A row per case, by the crop's id: ink of other leads in the box (px), crossings, and the numbers of
        `Diagnosis`.
    """
    table = pd.DataFrame(
        [
            {
                "crop_id": case.crop.crop_id,
                "overlap_px": case.crop.overlap_px,
                "crossings": case.crop.crossings,
                **{name: getattr(case.diagnosis, name) for name in _NUMBERS},
            }
            for case in cases
        ]
    )
    return table.set_index("crop_id").astype(dict.fromkeys(_NUMBERS, float))


def diagnose(crop: LeadCrop, digitized: LeadSignal, options: AlignOptions = DEFAULT_ALIGN) -> Diagnosis:
    """
    Compare path and signal with the truth of a crop.

    Parameters
    ----------
    crop : LeadCrop
    digitized : LeadSignal
    options : AlignOptions, optional
        As in the evaluation.

    Returns
    -------
    Diagnosis

    Raises
    ------
    TraceNotFoundError
        If nothing was digitized.
    """
    scores = metrics.score(crop, digitized, options)
    aligned = align(digitized.amplitude_mv, digitized.fs_hz, crop.signal, crop.fs_hz, options)
    kinds = column_kinds(crop, digitized.row_px)
    shares = {kind: float(np.mean(kinds[kinds != ""] == kind)) for kind in ("on", "other", "off", "missing")}
    errors = [error for error in (scores.grid_error_x, scores.grid_error_y) if error is not None]
    return Diagnosis(
        on_target=shares["on"],
        on_other=shares["other"],
        off_ink=shares["off"],
        missing=shares["missing"],
        gain=_slope(crop.signal, aligned.signal),
        lag_s=scores.lag_s,
        r=scores.r,
        mse_mv2=scores.mse_mv2,
        grid_error=max(errors, key=abs) if errors else None,
        range_mv=float(np.ptp(crop.signal)),
        range_kept=_ratio(float(np.ptp(aligned.signal)), float(np.ptp(crop.signal))),
        px_mv=_px_mv(crop),
    )


def column_kinds(crop: LeadCrop, row_px: FloatArray) -> NDArray[np.str_]:
    """
    Say for each column where the path lies.

    Parameters
    ----------
    crop : LeadCrop
    row_px : ndarray of float, shape (width,)
        Row of the path in each column, NaN where there is none.

    Returns
    -------
    ndarray of str, shape (width,)
        "on" the target, on an "other" lead alone, "off" both, "missing"; "" where the target has no ink.

    Examples
    --------
    The target is row 1, another lead row 4 of its last column:

    >>> mask = np.zeros((6, 4), np.uint8)
    >>> mask[1] = 1
    >>> other = np.zeros_like(mask)
    >>> other[4, 3] = 1
    >>> crop = LeadCrop(np.zeros((6, 4, 3), np.uint8), mask, np.zeros(2), 100.0, "", "", "", "",
    ...                 other_mask=other)
    >>> column_kinds(crop, np.array([1.0, np.nan, 4.0, 4.0])).tolist()
    ['on', 'missing', 'off', 'other']
    """
    height, width = crop.mask.shape
    if row_px.shape != (width,):
        raise DataError(f"a path of {row_px.shape} columns on a picture of {width}")
    near_px = max(1.0, _NEAR_MM * (crop.px_per_mm or 0.0))
    rows = np.arange(height)[:, None]
    target = crop.mask > 0
    top = np.where(target, rows, height).min(axis=0)
    bottom = np.where(target, rows, -1).max(axis=0)
    on_target = (row_px >= top - near_px) & (row_px <= bottom + near_px)
    if crop.other_mask is None:
        on_other: NDArray[np.bool_] = np.zeros(width, np.bool_)
    else:
        on_other = np.any((crop.other_mask > 0) & (np.abs(rows - row_px) <= near_px), axis=0)
    kinds = np.select(
        [~target.any(axis=0), np.isnan(row_px), on_target, on_other], ["", "missing", "on", "other"], "off"
    )
    return np.asarray(kinds)


def worst_case_figure(case: WorstCase, heading: str, options: AlignOptions = DEFAULT_ALIGN) -> Figure:
    """
    Show crop, truth and path, the columns where the path went wrong, both signals, and the cause.

    Parameters
    ----------
    case : WorstCase
    heading : str
        First words of the title.
    options : AlignOptions, optional
        As in the evaluation.
    """
    crop, digitized = case.crop, case.digitized
    figure = overlay_figure(crop, digitized, heading, options, case.diagnosis.message)
    picture = figure.axes[0]
    if crop.polyline is not None:
        picture.plot(
            *crop.polyline.T, color=GRID_COLOUR, linewidth=1.0, linestyle=(0, (2, 2)), label="as drawn"
        )
    if digitized is not None:
        picture.lines[0].set_label("found")
        kinds = column_kinds(crop, digitized.row_px)
        _shade(picture, (kinds == "other") | (kinds == "off"), _WRONG_COLOUR, "", "found, not on the target")
        _shade(picture, kinds == "missing", _MISSING_COLOUR, "///", "not found")
    picture.set(xlim=(-0.5, crop.image.shape[1] - 0.5), ylim=(crop.image.shape[0] - 0.5, -0.5))
    handles, labels = picture.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=4, fontsize=8, frameon=False)
    # A tall crop is a narrow picture: its title would be cut there.
    title = picture.get_title(loc="left")
    picture.set_title("", loc="left")
    figure.suptitle(f"{title}\n{case.diagnosis.cause}", x=0.01, ha="left", fontsize=9)
    return figure


def record_figure(rows: pd.DataFrame, digitizer: str = "proposed", n_records: int = 15) -> Figure:
    """
    Show r of every crop of the worst records, a line for each record, the worst on top.

    Parameters
    ----------
    rows : DataFrame
    digitizer : str, optional
    n_records : int, optional
    """
    ranked = rank_records(rows, digitizer).head(n_records)
    own = _rows_of(rows, digitizer)
    place = {record: line for line, record in enumerate(ranked.index)}
    own = own[own["record_id"].isin(place)]
    figure = Figure(figsize=(8.5, 0.24 * len(ranked) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for subset, part in own.groupby("subset"):
        marker, colour = _MARKERS.get(str(subset), ("^", "0.4"))
        axis.plot(
            part["r"],
            part["record_id"].map(place),
            marker,
            color=colour,
            markersize=5,
            alpha=0.7,
            markeredgewidth=0,
            label=str(subset).replace("_", " "),
        )
    axis.plot(ranked["mean_r"], range(len(ranked)), "|", color="black", markersize=10, label="mean")
    axis.set_yticks(range(len(ranked)), [str(record) for record in ranked.index], fontsize=8)
    axis.invert_yaxis()
    axis.set(xlabel="r (no unit), a mark for each crop", ylabel="record")
    axis.grid(color="0.9", linewidth=0.6)
    axis.legend(loc="lower left", fontsize=8)
    return figure


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))["config"]
        missing = [name for name in ("data", "digitizer", "align") if not config.get(name)]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        missing = ["config"]
    if missing:
        raise DataError(f"{path} is absent or lacks {', '.join(missing)}; take a run folder of evaluate.py")
    return config


def _rows_of(rows: pd.DataFrame, digitizer: str) -> pd.DataFrame:
    """Rows of a digitizer whose crop could be read."""
    own = rows[(rows["digitizer"] == digitizer) & rows["n_samples"].notna()]
    if own.empty:
        names = ", ".join(sorted(rows["digitizer"].unique())) or "none"
        raise ConfigError(f"there are no rows of digitizer '{digitizer}'; digitizers there: {names}")
    return own


def _failed(crop: LeadCrop, message: str) -> Diagnosis:
    return Diagnosis(
        on_target=0.0,
        on_other=0.0,
        off_ink=0.0,
        missing=1.0,
        gain=None,
        lag_s=None,
        r=metrics.FAILED_R,
        mse_mv2=metrics.failed_mse_mv2(crop.signal),
        grid_error=None,
        range_mv=float(np.ptp(crop.signal)),
        range_kept=None,
        px_mv=_px_mv(crop),
        message=message,
    )


def _px_mv(crop: LeadCrop) -> float | None:
    return None if crop.px_per_mm is None else px_to_mv(1.0, crop.px_per_mm)


def _slope(truth: FloatArray, digitized: FloatArray) -> float | None:
    shared = float(np.mean((truth - truth.mean()) * (digitized - digitized.mean())))
    return _ratio(shared, float(np.var(truth)))


def _ratio(value: float, of: float) -> float | None:
    return value / of if of > 0 else None


def _shade(axis: Axes, columns: NDArray[np.bool_], colour: str, hatch: str, label: str) -> None:
    for number, (start, end) in enumerate(_runs(columns)):
        axis.axvspan(
            start - 0.5,
            end + 0.5,
            facecolor=colour,
            alpha=0.3,
            linewidth=0,
            hatch=hatch,
            label=None if number else label,
        )


def _runs(columns: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last index of each run of True."""
    edges = np.flatnonzero(np.diff(columns.astype(np.int8), prepend=0, append=0))
    for start, end in edges.reshape(-1, 2):
        yield int(start), int(end) - 1
