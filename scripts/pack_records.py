"""
Write the training and validation records of a source to one small file.

    python scripts/pack_records.py FILE.npz [signals=ptbxl signals.root=DIR]

For a machine that has no database (`signals=packed signals.path=FILE.npz`). The test split stays out. A
record of 10 s takes 12 kB at 500 Hz.
"""

import sys
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from ecgtrace.records.packed import write_packed

CONF = Path(__file__).resolve().parents[1] / "conf"


def main() -> None:
    """Write them."""
    path, overrides = Path(sys.argv[1]), sys.argv[2:]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        records = instantiate(compose("train", overrides).signals)
    n = write_packed(records, ("train", "val"), path)
    print(f"{path}: {n} records of {records.name}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
