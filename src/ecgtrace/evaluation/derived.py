"""What tables summarise and rows do not hold: errors without their sign, and what counts as read."""

import numpy as np
import pandas as pd

from ecgtrace.evaluation.rows import FAILED, OK

# Below it the error has more than half of the signal's amplitude: nobody would call that read.
MISREAD_DB = 5.0
# From here on the error has an eighth of the amplitude or less.
READ_DB = 18.0
SCALE_TOLERANCE = 0.01


def with_derived(rows: pd.DataFrame) -> pd.DataFrame:
    """
    Add the columns that only tables need.

    Parameters
    ----------
    rows : DataFrame
        As `ecgtrace.evaluation.rows.read_rows` gives them; a crop without a row may be a line of NaN.

    Returns
    -------
    DataFrame
        With `abs_time0_error_ms` and `abs_lag_ms`; and, 1 or 0, `ok_misread` (called ok, SNR below
        `MISREAD_DB`), `read` (SNR at least `READ_DB`) and `scale_found` (both axes within
        `SCALE_TOLERANCE`; what failed did not find it; NaN where the data does not tell its scale).
    """
    there = rows["status"].notna()
    errors = rows[["grid_error_x", "grid_error_y"]].astype(float).abs()
    found = (errors <= SCALE_TOLERANCE).all(axis=1)
    known = errors.notna().any(axis=None) & (errors.notna().all(axis=1) | (rows["status"] == FAILED))

    def share(true: pd.Series, of: pd.Series) -> pd.Series:
        return true.astype(float).where(of, np.nan)

    return rows.assign(
        abs_time0_error_ms=rows["time0_error_ms"].astype(float).abs(),
        abs_lag_ms=rows["lag_ms"].astype(float).abs(),
        ok_misread=share((rows["status"] == OK) & (rows["snr_db"] < MISREAD_DB), there),
        read=share(rows["snr_db"] >= READ_DB, there),
        scale_found=share(found, known),
    )
