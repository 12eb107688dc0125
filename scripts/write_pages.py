"""
Make the pages of experiments again from the rows and provenances that lie beside them.

    python scripts/write_pages.py [NAME ...]     by default all that have rows

For when a template or a table has changed and no row has: nothing is digitized.
"""

import logging
import sys
from pathlib import Path

from ecgtrace.studies import study
from ecgtrace.studies.all_studies import STUDIES

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"


def main() -> None:
    """Write them."""
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # says ten lines for each font of each PDF
    for name in sys.argv[1:] or STUDIES:
        folder = EXPERIMENTS / name
        if not (folder / "rows.csv").is_file():
            print(f"{name}: not published")
            continue
        study.rewrite(STUDIES[name], folder)
        print(folder / study.PAGE)


if __name__ == "__main__":
    main()
