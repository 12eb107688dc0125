"""
Check what beats tell of the paper's speed, on records as they are and as if read at half of their speed.

    python scripts/check_pace.py signals=ptbxl signals.root=DIR [+split=train]

Of each record the first five seconds are measured, as a row of 250 mm shows them at 50 mm/s, and the same
read as 25 mm/s, at which they take ten.

Of 187 records of the training split of the PTB-XL at hand none is told to be half as fast, and 147 of the
same records at half speed are; of the 28 of the validation split (`+split=val`) none, and 22.
"""

import sys
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from ecgtrace.digitization.pace import Pace, pace

CONF = Path(__file__).resolve().parents[1] / "conf"
ROW_S = 5.0


def main() -> None:
    """Count for how many records the beats say that the paper ran twice as fast."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", sys.argv[1:])
    records = instantiate(cfg.signals)
    told: dict[str, list[Pace | None]] = {"as they are": [], "at half speed": []}
    for record_id in records.split_ids(cfg.get("split", "train")):
        record = records.load(record_id)
        leads = record.signal[:, : round(ROW_S * record.fs_hz)]
        n = leads.shape[1]
        slow = [np.interp(np.arange(2 * n) / 2, np.arange(n), lead) for lead in leads]
        for how, shown in (("as they are", list(leads)), ("at half speed", slow)):
            told[how].append(pace(shown, record.fs_hz))
    for how, paces in told.items():
        known = [one for one in paces if one is not None]
        half = sum(one.is_half for one in known)
        print(f"{how}: {len(paces)} records, {len(known)} with two beats, {half} told to be half as fast")


if __name__ == "__main__":
    main()
