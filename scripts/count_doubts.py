"""
Count what the verdict is worth: how often a well-read crop is doubtful, and a badly read one ok.

    python experiments/reference/run.py data.root=DIR
    python scripts/count_doubts.py runs/reference/rows.csv

Takes the rows of any evaluation. Several files are counted together.
"""

import argparse
from pathlib import Path

import pandas as pd

from ecgtrace.evaluation.rows import DOUBTFUL, OK, read_rows

WELL_READ_DB = 20.0
BADLY_READ_DB = (5.0, 10.0)


def count(rows: pd.DataFrame) -> list[str]:
    r"""
    Say in lines how verdict and SNR go together, for each digitizer.

    Examples
    --------
    >>> rows = pd.DataFrame({"digitizer": "refined", "status": ["ok", "doubtful", "ok", "failed"],
    ...                      "snr_db": [30.0, 25.0, 3.0, 0.0]})
    >>> print("\n".join(count(rows)))
    refined: 4 crops, 2 ok, 1 doubtful, 1 failed
      doubtful among 2 above 20 dB: 1
      ok among 2 below 5 dB: 1
      ok among 2 below 10 dB: 1
    """
    lines = []
    for name, own in rows.groupby("digitizer", sort=False):
        counts = own["status"].value_counts()
        told = ", ".join(f"{counts.get(status, 0)} {status}" for status in (OK, DOUBTFUL, "failed"))
        lines.append(f"{name}: {len(own)} crops, {told}")
        well = own[own["snr_db"] > WELL_READ_DB]
        lines.append(
            f"  doubtful among {len(well)} above {WELL_READ_DB:.0f} dB: {(well['status'] == DOUBTFUL).sum()}"
        )
        for limit in BADLY_READ_DB:
            badly = own[own["snr_db"] < limit]
            lines.append(f"  ok among {len(badly)} below {limit:.0f} dB: {(badly['status'] == OK).sum()}")
    return lines


def main() -> None:
    """Print the counts of the files named on the command line, and the well-read crops that are doubtful."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", type=Path, nargs="+", help="rows.csv of evaluations")
    rows = pd.concat([read_rows(path) for path in parser.parse_args().rows], ignore_index=True)
    print("\n".join(count(rows)))
    for row in rows[(rows["status"] == DOUBTFUL) & (rows["snr_db"] > WELL_READ_DB)].itertuples():
        print(f"  {row.crop_id} ({row.digitizer}, {row.snr_db:.1f} dB): {row.doubts}")


if __name__ == "__main__":
    main()
