"""
Which records are for training, which for validation, which for the test.

A record keeps its split whatever else lies in the folder, in whatever order: the split is
either written beside the record (PTB-XL's official folds) or a keyed hash of the patient.
"""

import hashlib
from collections.abc import Iterable
from typing import Protocol

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.types import Record

SPLITS = ("train", "val", "test")

# Fixed once, by the sizes of the splits alone, and never to change: another key would move
# records that a model was trained on into the test split.
_HASH_KEY = b"ecgtrace split"
_VAL_FROM, _TEST_FROM = 0.8, 0.9  # shares 80/10/10, those of PTB-XL's official folds
_VAL_FOLD, _TEST_FOLD = 9, 10
_N_FOLDS = 10


class RecordSource(Protocol):
    """
    What the other stages need from a source of records.

    Attributes
    ----------
    name : str
        For titles and provenance.
    """

    @property
    def name(self) -> str:
        """Return the name of the source."""

    def split_ids(self, split: str) -> tuple[str, ...]:
        """Return the ids of the records of a split; `all` is every record."""

    def load(self, record_id: str) -> Record:
        """Return one record: twelve leads in the order of `units.LEADS`, in mV."""

    def fingerprint(self) -> str:
        """Return a short hash of what the source holds, the same on every machine."""


def hashed_split(owner: str) -> str:
    """
    Give an owner of records (a patient, or a record that stands for one) its split.

    The keyed hash of the name, read as a number in [0, 1), falls into `train` below 0.8,
    `val` below 0.9 and `test` above. Nothing but the name matters, so adding, removing or
    reordering other records moves nobody.

    Parameters
    ----------
    owner : str
        Name of the patient or of the record.

    Returns
    -------
    str
        One of `train`, `val`, `test`.

    References
    ----------
    .. [1] Saarinen, M.-J., & Aumasson, J.-P. (2015). The BLAKE2 cryptographic hash and
       message authentication code. RFC 7693. https://doi.org/10.17487/RFC7693

    Examples
    --------
    >>> hashed_split("record 00038"), hashed_split("record 00040")
    ('val', 'train')
    """
    digest = hashlib.blake2b(owner.encode(), digest_size=8, key=_HASH_KEY).digest()
    share = int.from_bytes(digest, "big") / 2**64
    if share < _VAL_FROM:
        return "train"
    return "val" if share < _TEST_FROM else "test"


def official_split(fold: int) -> str:
    """
    Translate a fold of PTB-XL into a split: 1 to 8 train, 9 validation, 10 test.

    This is the use that the authors of PTB-XL recommend [1]_: folds 9 and 10 were seen by
    a human at least once and hold no patient of another fold.

    Parameters
    ----------
    fold : int
        `strat_fold` of `ptbxl_database.csv`, 1 to 10.

    Raises
    ------
    DataError
        If there is no such fold.

    References
    ----------
    .. [1] Wagner, P., Strodthoff, N., Bousseljot, R.-D., et al. (2020). PTB-XL, a large
       publicly available electrocardiography dataset. Scientific Data, 7, 154.
       https://doi.org/10.1038/s41597-020-0495-6
    """
    if not 1 <= fold <= _N_FOLDS:
        raise DataError(f"strat_fold is 1 to {_N_FOLDS} in PTB-XL, got {fold}")
    return {_VAL_FOLD: "val", _TEST_FOLD: "test"}.get(fold, "train")


def check_split(split: str) -> None:
    """
    Refuse the name of a split that does not exist.

    Raises
    ------
    ConfigError
        With the valid names.
    """
    if split not in (*SPLITS, "all"):
        raise ConfigError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}, all")


def check_no_shared_owner(owners_and_splits: Iterable[tuple[str, str]]) -> None:
    """
    Make sure that nobody stands in two splits.

    Parameters
    ----------
    owners_and_splits : iterable of (str, str)
        The patient (or the record, where patients are unknown) and the split of each record.

    Raises
    ------
    DataError
        Naming the first owner in two splits: scores on such data would flatter the model.
    """
    seen: dict[str, str] = {}
    for owner, split in owners_and_splits:
        other = seen.setdefault(owner, split)
        if other != split:
            raise DataError(
                f"{owner} has records in both {other} and {split}; correct strat_fold so that a "
                "patient stays in one split, or drop that column for a split by patient"
            )
