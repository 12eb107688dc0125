"""
Fetch PTB-XL 1.0.3 or LUDB 1.0.1 from PhysioNet.

    python -m ecgtrace.records.download root=DIR
    python -m ecgtrace.records.download root=DIR dataset=ludb

The archive is fetched (again from where it broke off, if it did), unpacked into DIR, and
every file is compared with the SHA-256 sums that PhysioNet publishes beside it. Files that
are there and intact are not touched, so a second call is a check.

Goldberger, A., Amaral, L., Glass, L., et al. (2000). PhysioBank, PhysioToolkit, and
PhysioNet. Circulation, 101(23), e215-e220. https://doi.org/10.1161/01.CIR.101.23.e215
"""

import argparse
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any

import pooch
import requests
from tqdm import tqdm

from ecgtrace.errors import DataError
from ecgtrace.records import ludb, ptbxl

_TIMEOUT_S = 60.0
_CHUNK_BYTES = 1 << 20
_HEX_DIGITS_OF_SHA256 = 64


@dataclass(frozen=True)
class DataSet:
    """
    A data set of PhysioNet and what of it is needed.

    Attributes
    ----------
    title : str
        As its authors call it.
    signals : str
        Name of its source in conf/signals.
    page_url, sums_url, archive_url : str
        Where people read about it, where the list of SHA-256 sums is, and the ZIP archive.
    needed : tuple of str
        Files and folders (with a slash at their end) that are unpacked.
    landmark : str
        A file, or the first letters of one, that the list of sums must name.
    """

    title: str
    signals: str
    page_url: str
    sums_url: str
    archive_url: str
    needed: tuple[str, ...]
    landmark: str


DATA_SETS = {
    "ptbxl": DataSet(
        title="PTB-XL",
        signals="ptbxl",
        page_url="https://physionet.org/content/ptb-xl/1.0.3/",
        sums_url="https://physionet.org/files/ptb-xl/1.0.3/SHA256SUMS.txt",
        archive_url="https://physionet.org/static/published-projects/ptb-xl/"
        "ptb-xl-a-large-publicly-available-electrocardiography-dataset-1.0.3.zip",
        needed=(ptbxl.DATABASE_CSV, "records100/", "records500/"),
        landmark=ptbxl.DATABASE_CSV,
    ),
    "ludb": DataSet(
        title="LUDB",
        signals="ludb",
        page_url="https://physionet.org/content/ludb/1.0.1/",
        sums_url="https://physionet.org/files/ludb/1.0.1/SHA256SUMS.txt",
        archive_url="https://physionet.org/static/published-projects/ludb/"
        "lobachevsky-university-electrocardiography-database-1.0.1.zip",
        needed=(f"{ludb.FOLDER}/", "LICENSE.txt"),
        landmark=f"{ludb.FOLDER}/1.hea",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Fetch a data set, or say what to do where that fails.

    Parameters
    ----------
    argv : sequence of str, optional
        `["root=DIR"]`, perhaps with `"dataset=ludb"`; by default the command line.

    Returns
    -------
    int
        0: the folder is complete and intact; 1: it is not. Wrong usage exits with 2.
    """
    parser = argparse.ArgumentParser(
        prog="python -m ecgtrace.records.download", description="Fetch PTB-XL 1.0.3 or LUDB 1.0.1."
    )
    known = "|".join(DATA_SETS)
    parser.add_argument(
        "options", nargs="+", type=_option, metavar=f"root=DIR [dataset={known}]", help="where to, and what"
    )
    options = dict(parser.parse_args(argv).options)
    if "root" not in options:
        parser.error("name the folder to unpack into: root=DIR")
    root = Path(options["root"]).expanduser()
    wanted = DATA_SETS[options.get("dataset", "ptbxl")]
    try:
        n_files = download(root, wanted)
    except (OSError, DataError) as error:  # what requests raises is an OSError, too
        print(
            f"{wanted.title} could not be fetched: {' '.join(str(error).split())}. Run the command again to "
            f"go on where it stopped; or fetch the ZIP file by hand from {wanted.page_url} and unpack it so "
            f"that {root / wanted.landmark} stands; or use signals=sample, which needs no download.",
            file=sys.stderr,
        )
        return 1
    print(
        f"{n_files} files of {wanted.title} are in {root} and intact; use them with "
        f"signals={wanted.signals} signals.root={root}"
    )
    return 0


def download(root: Path, wanted: DataSet) -> int:
    """
    Bring a folder to the published state.

    Parameters
    ----------
    root : Path
        Made if it is not there.
    wanted : DataSet

    Returns
    -------
    int
        Number of files that were checked.

    Raises
    ------
    DataError
        If what came is not what PhysioNet lists.
    OSError
        If the server cannot be reached, or the disk is full.
    """
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "sums"
        fetch(wanted.sums_url, listed)
        sums = read_sums(listed.read_text(encoding="utf-8"))
    needed = {name: digest for name, digest in sums.items() if name.startswith(wanted.needed)}
    if wanted.landmark not in needed:
        raise DataError(f"{wanted.sums_url} does not list {wanted.landmark}")
    root.mkdir(parents=True, exist_ok=True)
    todo = {
        name: digest
        for name, digest in tqdm(needed.items(), desc="check", unit="file")
        if not _is_intact(root / name, digest)
    }
    if todo:
        archive = root / PurePosixPath(wanted.archive_url).name
        if not archive.is_file():
            fetch(wanted.archive_url, archive)
        unpack(archive, root, todo)
        archive.unlink()
    return len(needed)


def read_sums(text: str) -> dict[str, str]:
    """
    Read a list as `sha256sum` writes it: a sum and a file name in each line.

    Parameters
    ----------
    text : str
        The list.

    Returns
    -------
    dict of str to str
        SHA-256 as 64 hexadecimal digits, by file name.

    Raises
    ------
    DataError
        If a line is of another form, or a name leads out of the folder.
    """
    sums: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        digest, _, name = line.partition(" ")
        name = name.strip().removeprefix("*")
        path = PurePosixPath(name)
        if len(digest) != _HEX_DIGITS_OF_SHA256 or not name or path.is_absolute() or ".." in path.parts:
            raise DataError(f"the list of checksums has an unexpected line {line[:80]!r}")
        sums[name] = digest.lower()
    return sums


def fetch(url: str, path: Path) -> None:
    """
    Fetch a file, going on from `path` + `.part` where an earlier attempt left one.

    Parameters
    ----------
    url : str
        Where it is.
    path : Path
        Where it goes once it is complete.

    Raises
    ------
    DataError
        If the connection closed before all had come.
    OSError
        If the server cannot be reached or refuses.
    """
    part = path.with_name(path.name + ".part")
    start = part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    # Pooch would leave a bar of its own open after an error. It sets the total; a bar without one is no bool.
    bar = tqdm(desc="download", total=1, unit="B", unit_scale=True, leave=False)
    with bar, part.open("ab") as sink:

        def begin_anew_where_all_is_sent(response: requests.Response, **_: Any) -> None:
            if response.status_code == HTTPStatus.OK:  # not "partial content": the range was passed over
                sink.truncate(0)

        try:
            pooch.HTTPDownloader(
                progressbar=bar,
                chunk_size=_CHUNK_BYTES,
                timeout=_TIMEOUT_S,
                headers=headers,
                hooks={"response": begin_anew_where_all_is_sent},
            )(url, sink, None)
        except requests.HTTPError as error:
            if not start or _status(error) != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            part.unlink()  # it is as long as the file or longer: it cannot be continued
            fetch(url, path)
            return
        except requests.exceptions.ChunkedEncodingError as error:
            raise DataError(f"the connection closed after {part.stat().st_size} bytes of {url}") from error
    part.replace(path)


def unpack(archive: Path, root: Path, sums: dict[str, str]) -> None:
    """
    Take the listed files out of the archive, without its top folder, and check each.

    Parameters
    ----------
    archive : Path
        ZIP file. It is removed where it is broken, so that the next attempt fetches it anew.
    root : Path
        Where the files go.
    sums : dict of str to str
        SHA-256 of the wanted files by name.

    Raises
    ------
    DataError
        If the archive is broken, lacks a file, or holds another one than the sums say.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            names = file.namelist()
            members = {name.partition("/")[2]: name for name in names} | {name: name for name in names}
            missing = sorted(set(sums) - set(members))
            if missing:
                raise DataError(f"{archive.name} lacks {len(missing)} files, {missing[0]} for one")
            for name, digest in tqdm(sums.items(), desc="unpack", unit="file"):
                _unpack_one(file, members[name], root / name, digest)
    except (zipfile.BadZipFile, zlib.error, DataError) as error:
        archive.unlink()
        raise DataError(f"{error} (the archive was removed)") from error


def _unpack_one(file: zipfile.ZipFile, member: str, target: Path, digest: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with file.open(member) as source, part.open("wb") as sink:
        shutil.copyfileobj(source, sink, _CHUNK_BYTES)
    if not _is_intact(part, digest):
        part.unlink()
        raise DataError(f"{target.name} differs from its published checksum")
    part.replace(target)


def _status(error: requests.HTTPError) -> int | None:
    return None if error.response is None else error.response.status_code


def _is_intact(path: Path, digest: str) -> bool:
    return path.is_file() and pooch.file_hash(str(path), alg="sha256") == digest


def _option(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    if key not in ("root", "dataset") or not value or (key == "dataset" and value not in DATA_SETS):
        raise argparse.ArgumentTypeError(
            f"expected root=DIR or dataset={' or dataset='.join(DATA_SETS)}, got {text!r}"
        )
    return key, value


if __name__ == "__main__":
    sys.exit(main())
