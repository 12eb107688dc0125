"""
Read back from disk what an offline run of Weights & Biases recorded.

wandb writes a run as a log of protocol buffers in the container of LevelDB's log files [1]_ and uploads it
with `wandb sync`; it has no reader of its own in Python. This one needs neither network nor account, so that
the numbers in a run's log can be compared with the files beside it.

References
----------
.. [1] LevelDB, log format. https://github.com/google/leveldb/blob/main/doc/log_format.md
"""

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecgtrace.errors import DataError

_MAGIC = b":W&B"
_FILE_HEADER_BYTES = 7  # the magic word, then two numbers for the version
_BLOCK_BYTES = 32 * 1024
_CHUNK_HEADER = struct.Struct("<IHB")  # checksum, length, kind
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


@dataclass(frozen=True)
class ArtifactFile:
    """A file of an artifact: MD5 as base64, size, and where it lies until it is uploaded."""

    digest: str
    size: int
    path: Path


@dataclass(frozen=True)
class OfflineArtifact:
    """A named set of files, by their names in the artifact."""

    name: str
    type: str
    metadata: dict[str, Any]
    files: dict[str, ArtifactFile]


@dataclass
class OfflineRun:
    """
    What a run recorded.

    Attributes
    ----------
    folder : Path
        The `offline-run-*` folder.
    id, project, group, job_type, name : str
        Empty where not set.
    tags : list of str
    config, summary : dict
    history : list of dict
        One per step, in order, as `wandb.Run.log` was given them; media and tables are dicts with `_type` and
        `path`.
    metrics : dict of str to str
        The metric on the x-axis of each metric, or of each glob such as `*`.
    artifacts : list of OfflineArtifact
    files : list of str
        Below `folder / "files"`.
    exit_code : int or None
        None where the run was cut off.
    """

    folder: Path
    id: str = ""
    project: str = ""
    group: str = ""
    job_type: str = ""
    name: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, str] = field(default_factory=dict)
    artifacts: list[OfflineArtifact] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    exit_code: int | None = None

    def curve(self, name: str, over: str = "epoch") -> list[tuple[float, float]]:
        """Return the points of a curve: (value of `over`, value of `name`) of each step that has both."""
        return [(row[over], row[name]) for row in self.history if over in row and name in row]

    def artifact(self, type: str) -> OfflineArtifact:
        """Return the last artifact of a type; raises `DataError` if there is none."""
        found = [artifact for artifact in self.artifacts if artifact.type == type]
        if not found:
            types = ", ".join(sorted({artifact.type for artifact in self.artifacts})) or "none"
            raise DataError(f"{self.folder} has no artifact of type {type}; there are: {types}")
        return found[-1]

    def media(self, name: str) -> Path:
        """Return the file of a picture or table that was logged under a name."""
        for row in reversed(self.history):
            if isinstance(row.get(name), dict) and "path" in row[name]:
                return self.folder / "files" / row[name]["path"]
        raise DataError(f"{self.folder} has no picture or table named {name}")

    def table(self, name: str) -> tuple[list[str], list[list[Any]]]:
        """Return columns and lines of a table."""
        content = json.loads(self.media(name).read_text(encoding="utf-8"))
        return content["columns"], content["data"]


def find_runs(folder: Path) -> list[Path]:
    """Return the offline runs in a run folder, oldest first; a resumed run has one for each start."""
    return sorted(folder.glob("wandb/offline-run-*"))


def read_run(folder: Path) -> OfflineRun:
    """
    Read an offline run.

    Parameters
    ----------
    folder : Path
        An `offline-run-*` folder.

    Returns
    -------
    OfflineRun
        Of a run that was cut off, all that had reached the disk.

    Raises
    ------
    DataError
        If the folder holds no log, or one of another format.
    """
    from wandb.proto import wandb_internal_pb2

    logs = sorted(folder.glob("run-*.wandb"))
    if not logs:
        raise DataError(f"{folder} holds no run-*.wandb; name an offline-run-* folder")
    run = OfflineRun(folder)
    for message in messages(logs[0]):
        record = wandb_internal_pb2.Record.FromString(message)  # type: ignore[attr-defined]  # made at run time
        kind = record.WhichOneof("record_type")
        if kind in _ADD:
            _ADD[kind](run, getattr(record, kind))
    return run


def messages(path: Path) -> Iterator[bytes]:
    """
    Yield the messages of a log file in LevelDB's format, whole ones only.

    Raises
    ------
    DataError
        If the file is not wandb's.
    """
    content = path.read_bytes()
    if not content.startswith(_MAGIC):
        raise DataError(f"{path} is not a log of wandb")
    position = _FILE_HEADER_BYTES
    parts: list[bytes] = []
    while position + _CHUNK_HEADER.size <= len(content):
        left = _BLOCK_BYTES - position % _BLOCK_BYTES
        if left < _CHUNK_HEADER.size:  # no chunk starts so near to the end of a block
            position += left
            continue
        _, length, kind = _CHUNK_HEADER.unpack_from(content, position)
        position += _CHUNK_HEADER.size
        chunk = content[position : position + length]
        position += length
        if len(chunk) < length or kind not in (_FULL, _FIRST, _MIDDLE, _LAST):
            return  # cut off while it was written
        parts = [chunk] if kind in (_FULL, _FIRST) else [*parts, chunk]
        if kind in (_FULL, _LAST):
            yield b"".join(parts)


def _add_start(run: OfflineRun, start: Any) -> None:
    run.id, run.project, run.name = start.run_id, start.project, start.display_name
    run.group, run.job_type, run.tags = start.run_group, start.job_type, list(start.tags)
    _update(run.config, start.config.update)


def _add_history(run: OfflineRun, history: Any) -> None:
    row: dict[str, Any] = {}
    _update(row, history.item)
    run.history.append(row)


def _add_metric(run: OfflineRun, metric: Any) -> None:
    run.metrics[metric.name or metric.glob_name] = metric.step_metric


def _add_artifact(run: OfflineRun, artifact: Any) -> None:
    files = {
        entry.path: ArtifactFile(entry.digest, entry.size, Path(entry.local_path))
        for entry in artifact.manifest.contents
    }
    metadata = json.loads(artifact.metadata) if artifact.metadata else {}
    run.artifacts.append(OfflineArtifact(artifact.name, artifact.type, metadata, files))


def _add_exit(run: OfflineRun, end: Any) -> None:
    run.exit_code = end.exit_code


def _update(values: dict[str, Any], items: Iterable[Any]) -> None:
    """Set values by key; a nested key such as ("table", "path") goes into a dict inside."""
    for item in items:
        *outer, last = item.nested_key or [item.key]
        inner = values
        for key in outer:
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        inner[last] = json.loads(item.value_json)


_ADD = {
    "run": _add_start,
    "config": lambda run, record: _update(run.config, record.update),
    "summary": lambda run, record: _update(run.summary, record.update),
    "history": _add_history,
    "metric": _add_metric,
    "artifact": _add_artifact,
    "files": lambda run, record: run.files.extend(file.path for file in record.files),
    "exit": _add_exit,
}
