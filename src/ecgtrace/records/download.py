"""
Fetch PTB-XL 1.0.3 from PhysioNet.

    python -m ecgtrace.records.download root=DIR

The archive is fetched (again from where it broke off, if it did), unpacked into DIR, and
every file is compared with the SHA-256 sums that PhysioNet publishes beside it. Files that
are there and intact are not touched, so a second call is a check.

Goldberger, A., Amaral, L., Glass, L., et al. (2000). PhysioBank, PhysioToolkit, and
PhysioNet. Circulation, 101(23), e215-e220. https://doi.org/10.1161/01.CIR.101.23.e215
"""

import argparse
import hashlib
import shutil
import sys
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Sequence
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from ecgtrace.errors import DataError
from ecgtrace.records.ptbxl import DATABASE_CSV

PAGE_URL = "https://physionet.org/content/ptb-xl/1.0.3/"
SUMS_URL = "https://physionet.org/files/ptb-xl/1.0.3/SHA256SUMS.txt"
ARCHIVE_URL = (
    "https://physionet.org/static/published-projects/ptb-xl/"
    "ptb-xl-a-large-publicly-available-electrocardiography-dataset-1.0.3.zip"
)
_TIMEOUT_S = 60.0
_CHUNK_BYTES = 1 << 20
_HEX_DIGITS_OF_SHA256 = 64


def main(argv: Sequence[str] | None = None) -> int:
    """
    Fetch the data set, or say what to do where that fails.

    Parameters
    ----------
    argv : sequence of str, optional
        `["root=DIR"]`; by default the command line.

    Returns
    -------
    int
        0: the folder is complete and intact; 1: it is not. Wrong usage exits with 2.
    """
    parser = argparse.ArgumentParser(
        prog="python -m ecgtrace.records.download", description="Fetch PTB-XL 1.0.3."
    )
    parser.add_argument("root", type=_root, metavar="root=DIR", help="folder to unpack into")
    root = parser.parse_args(argv).root
    try:
        n_files = download(root)
    except (OSError, HTTPException, DataError) as error:
        print(
            f"PTB-XL could not be fetched: {error}. Run the command again to go on where it stopped; or "
            f"fetch the ZIP file by hand from {PAGE_URL} and unpack it so that {root / DATABASE_CSV} stands; "
            "or use signals=sample, which needs no download.",
            file=sys.stderr,
        )
        return 1
    print(
        f"{n_files} files of PTB-XL are in {root} and intact; use them with signals=ptbxl signals.root={root}"
    )
    return 0


def download(root: Path, sums_url: str = SUMS_URL, archive_url: str = ARCHIVE_URL) -> int:
    """
    Bring a folder to the published state.

    Parameters
    ----------
    root : Path
        Made if it is not there.
    sums_url, archive_url : str, optional
        Where the list of SHA-256 sums and the ZIP archive are.

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
    with _open(sums_url) as response:
        sums = read_sums(response.read().decode())
    needed = {name: digest for name, digest in sums.items() if _is_needed(name)}
    if DATABASE_CSV not in needed:
        raise DataError(f"{sums_url} does not list {DATABASE_CSV}")
    root.mkdir(parents=True, exist_ok=True)
    todo = {
        name: digest
        for name, digest in tqdm(needed.items(), desc="check", unit="file")
        if not _is_intact(root / name, digest)
    }
    if todo:
        archive = root / PurePosixPath(archive_url).name
        if not archive.is_file():
            fetch(archive_url, archive)
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
        If the connection closed before the announced size was reached.
    OSError
        If the server cannot be reached or refuses.
    """
    part = path.with_name(path.name + ".part")
    start = part.stat().st_size if part.is_file() else 0
    try:
        response = _open(url, start)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or start == 0:
            raise
        start = 0  # the part is as long as the file or longer: it cannot be continued
        response = _open(url)
    with response:
        if getattr(response, "status", None) != HTTPStatus.PARTIAL_CONTENT:
            start = 0  # the server sends all of it
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        _append(response, part, start, total)
    if total is not None and part.stat().st_size != total:
        raise DataError(f"the connection closed after {part.stat().st_size} of {total} bytes of {url}")
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


def _append(response: Any, part: Path, start: int, total: int | None) -> None:
    bar = tqdm(desc="download", total=total, initial=start, unit="B", unit_scale=True)
    with bar, part.open("ab" if start else "wb") as sink:
        while chunk := response.read(_CHUNK_BYTES):
            sink.write(chunk)
            bar.update(len(chunk))


def _open(url: str, start: int = 0) -> Any:
    """Open a URL from byte `start` on."""
    headers = {"Range": f"bytes={start}-"} if start else {}
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S)


def _is_needed(name: str) -> bool:
    return name == DATABASE_CSV or name.startswith(("records100/", "records500/"))


def _is_intact(path: Path, digest: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == digest


def _root(text: str) -> Path:
    key, _, value = text.partition("=")
    if key != "root" or not value:
        raise argparse.ArgumentTypeError(f"expected root=DIR, got {text!r}")
    return Path(value).expanduser()


if __name__ == "__main__":
    sys.exit(main())
