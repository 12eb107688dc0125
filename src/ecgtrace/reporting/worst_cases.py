"""
The crops on which a digitizer does worst, by record: which they are, how they look, why they went wrong.

Rows of an evaluation say which crops are bad; the crops themselves are drawn (or read) again, since they
are a function of the configuration that stands beside the rows.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.utils import instantiate
from omegaconf import OmegaConf

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions
from ecgtrace.evaluation.rows import FAILED, read_rows
from ecgtrace.evaluation.runner import (
    PROVENANCE,
    ROWS,
    CropSource,
    DigitizerLike,
    describe_error,
    digitize_crop,
)
from ecgtrace.reporting.diagnosis import Diagnosis, diagnose, diagnose_failed
from ecgtrace.types import LeadCrop, LeadSignal


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
    records = rows_of(rows, digitizer).sort_values(["r", "crop_id"]).groupby("record_id")
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
    own = rows_of(rows, digitizer).sort_values(["r", "crop_id"])
    return pd.concat([own[own["record_id"] == record].head(per_record) for record in records])


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
        return WorstCase(crop, None, diagnose_failed(crop, describe_error(error)))


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


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))["config"]
        missing = [name for name in ("data", "digitizer", "align") if not config.get(name)]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        missing = ["config"]
    if missing:
        raise DataError(f"{path} is absent or lacks {', '.join(missing)}; take a run folder of evaluate.py")
    return config


def rows_of(rows: pd.DataFrame, digitizer: str) -> pd.DataFrame:
    """Rows of a digitizer whose crop could be read."""
    own = rows[(rows["digitizer"] == digitizer) & rows["n_samples"].notna()]
    if own.empty:
        names = ", ".join(sorted(rows["digitizer"].unique())) or "none"
        raise ConfigError(f"there are no rows of digitizer '{digitizer}'; digitizers there: {names}")
    return own
