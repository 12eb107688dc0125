"""
What digitizing leaves: a table and a note for each picture, and a summary of all.

The note is written last: where it says that a picture was read, the rest is complete. Files of another origin
are never overwritten.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.verdict import message
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.inputs import OVERLAY_SUFFIX, SUMMARY, InputFile
from ecgtrace.recording import Recording
from ecgtrace.types import DOUBTFUL, FAILED, OK, LeadSignal
from ecgtrace.units import LEADS
from ecgtrace.writers import formats
from ecgtrace.writers.csv_table import TIME

SIGNAL_HEADER = ("time_s", "amplitude_mv", "confidence")

# 0.01 microvolt; one pixel of a scan at 600 dpi is 4 microvolt.
_AMPLITUDE_DECIMALS = 5
_CONFIDENCE_DECIMALS = 3
_HEAD_BYTES = 4096


@dataclass(frozen=True)
class FileResult:
    """
    What became of one picture: a row of the summary.

    Attributes
    ----------
    source, name : str
    status : {"ok", "doubtful", "failed"}
    message : str
        Why it failed, or what speaks against it; then what was assumed or left out, such as further pages.
    px_per_mm_x, px_per_mm_y : float or None
    grid_confidence : float or None
    square_assumed : bool or None
    speed_mm_per_s, gain_mm_per_mv : float or None
        What a millimetre of the paper was taken for.
    sampling_rate_hz : float or None
    n_samples : int or None
    duration_s : float or None
        From time 0 to the last sample.
    recovered : float or None
        Share of samples that are not NaN.
    mean_confidence : float or None
        Of all samples, 0 where not recovered.
    content : {"lead", "page"}
        What it was taken for.
    layout : str or None
        Of a page, as `3x4+1`.
    lead_names : str or None
        Of a page, as `I II III`.
    digitizer, model : str
    seconds : float
        For reading, digitizing and writing.
    """

    source: str
    name: str
    status: str
    message: str
    px_per_mm_x: float | None
    px_per_mm_y: float | None
    grid_confidence: float | None
    square_assumed: bool | None
    speed_mm_per_s: float | None
    gain_mm_per_mv: float | None
    sampling_rate_hz: float | None
    n_samples: int | None
    duration_s: float | None
    recovered: float | None
    mean_confidence: float | None
    content: str
    layout: str | None
    lead_names: str | None
    digitizer: str
    model: str
    seconds: float


COLUMNS = tuple(field.name for field in fields(FileResult))


def write_signal(signal: LeadSignal, path: Path) -> None:
    """
    Write a signal as CSV with the columns `time_s`, `amplitude_mv` and `confidence`.

    Times are exact: they read back as the same numbers. Amplitudes have 5 decimals (0.01 microvolt),
    confidences 3. A sample that was not recovered has no amplitude and confidence 0.
    """
    lines = [",".join(SIGNAL_HEADER)]
    lowest = 10.0**-_CONFIDENCE_DECIMALS  # 0 means not recovered, so rounding must not reach it
    for t, mv, sure in zip(signal.time_s, signal.amplitude_mv, signal.confidence, strict=True):
        if np.isnan(mv):
            lines.append(f"{float(t)!r},,0")
        else:
            shown = round(float(mv), _AMPLITUDE_DECIMALS) + 0.0  # makes -0.0 to 0.0
            lines.append(
                f"{float(t)!r},{shown:.{_AMPLITUDE_DECIMALS}f},{max(sure, lowest):.{_CONFIDENCE_DECIMALS}f}"
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def read_signal(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read back what `write_signal` wrote: an array for each column, NaN for an empty cell."""
    table = np.genfromtxt(path, delimiter=",", skip_header=1, ndmin=2)
    return {name: table[:, index] for index, name in enumerate(SIGNAL_HEADER)}


def write_summary(results: Sequence[FileResult], path: Path) -> None:
    """Write a row for each input; the columns are the attributes of `FileResult`."""
    try:
        # Names of files need not be valid text everywhere; they are written as they are.
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(result) for result in results)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror})") from None


def output_path(output_dir: Path, item: InputFile, suffix: str) -> Path:
    """Return where an output of an input goes."""
    return output_dir / (item.name + suffix)


def make_output_dir(output_dir: Path) -> None:
    """
    Make the folder where absent.

    Raises
    ------
    ConfigError
        If it cannot be made, or holds a summary of another origin.
    """
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"output_dir: {output_dir} cannot be made ({error.strerror})") from None
    summary = output_dir / SUMMARY
    if summary.is_file():
        with summary.open(encoding="utf-8", errors="replace") as file:
            header = file.readline().strip()
            # By its first columns: an earlier version had fewer.
            if header and header.split(",")[:4] != list(COLUMNS[:4]):
                raise ConfigError(
                    f"output_dir: {summary} is not of our making; choose another folder, or move it away"
                )


def is_taken(item: InputFile, output_dir: Path) -> bool:
    """Tell whether files of another origin have the names of our outputs; the input itself is one."""
    files = _files(item, output_dir)
    if any(_is_same(path, item.source) for path in files):
        return True
    json_path = output_path(output_dir, item, ".json")
    if json_path.exists():
        return not {"source", "status", "digitizer"} <= set(_read_json(json_path))
    # Ours, where a run was cut off before the JSON.
    return any(not _is_ours(path) for path in files)


def _files(item: InputFile, output_dir: Path) -> tuple[Path, ...]:
    """Return all files that an input may leave, less its JSON."""
    overlay = output_path(output_dir, item, OVERLAY_SUFFIX)
    return (*formats.files_of(output_path(output_dir, item, "")), overlay)


def _is_same(path: Path, source: Path) -> bool:
    return path.exists() and source.exists() and path.samefile(source)


def _is_ours(path: Path) -> bool:
    """Tell whether a file is absent or begins as ours do."""
    path = path.with_suffix(".hea") if path.suffix == ".dat" else path
    if not path.exists():
        return True
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if path.suffix == ".csv":
        header = head.split(b"\n", 1)[0].strip().decode(errors="replace")
        return header == ",".join(SIGNAL_HEADER) or header.startswith(",".join((TIME, *LEADS)))
    return path.name.endswith(OVERLAY_SUFFIX) or b"ecgtrace" in head


def make_room(item: InputFile, output_dir: Path, taken: bool) -> None:
    """Remove the files of an earlier run, so that a failure leaves no old result; nobody else's files."""
    if taken:
        raise DataError(
            f"{item.name}.csv or .json is there already and not of our making; choose another output_dir"
        )
    output_path(output_dir, item, ".csv").parent.mkdir(parents=True, exist_ok=True)
    for path in (output_path(output_dir, item, ".json"), *_files(item, output_dir)):
        path.unlink(missing_ok=True)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # absent, or cut off
        return {}
    return content if isinstance(content, dict) else {}


def earlier_result(item: InputFile, output_dir: Path, settings: str, overlays: bool) -> FileResult | None:
    """Return the result of an earlier run, if nothing it rests on has changed and its files are there."""
    content = _read_json(output_path(output_dir, item, ".json"))
    if content.get("status") not in (OK, DOUBTFUL) or content.get("settings") != settings:
        return None
    folder = output_path(output_dir, item, ".json").parent
    wanted = [folder / str(name) for name in content.get("files", [])]
    if overlays and content.get("method") != "signals":  # these have no page to draw on
        wanted.append(output_path(output_dir, item, OVERLAY_SUFFIX))
    is_complete = "files" in content and all(path.is_file() for path in wanted)
    if content.get("file") != _file_state(item.source) or not is_complete:
        return None
    try:
        return FileResult(**{name: content[name] for name in COLUMNS})
    except KeyError:  # of another version
        return None


def _file_state(source: Path) -> dict[str, int] | None:
    try:
        stat = source.stat()
    except OSError:
        return None
    return {"bytes": stat.st_size, "modified_ns": stat.st_mtime_ns}


def row_facts(signal: LeadSignal) -> dict[str, Any]:
    """Return what a row says of a signal: the values of `FileResult` by name."""
    known = np.isfinite(signal.amplitude_mv)
    return {
        "status": signal.status,
        "message": message(signal),
        "px_per_mm_x": round(float(signal.scale.px_per_mm_x), 5),
        "px_per_mm_y": round(float(signal.scale.px_per_mm_y), 5),
        "grid_confidence": round(float(signal.scale.confidence), 4),
        "square_assumed": bool(signal.scale.square_assumed),
        "speed_mm_per_s": float(signal.speed_mm_per_s),
        "gain_mm_per_mv": float(signal.gain_mm_per_mv),
        "sampling_rate_hz": float(signal.fs_hz),
        "n_samples": len(known),
        "duration_s": float(signal.time_s[-1]),
        "recovered": round(float(known.mean()), 4),
        "mean_confidence": round(float(signal.confidence.mean()), 4),
    }


def page_facts(recording: Recording) -> dict[str, Any]:
    """Return what a row says of a page: the values of `FileResult` by name."""
    calibration = recording.calibration
    facts: dict[str, Any] = {
        "status": recording.status,
        "message": recording.message,
        "px_per_mm_x": _rounded(calibration.per_mm_x),
        "px_per_mm_y": _rounded(calibration.per_mm_y),
        "speed_mm_per_s": calibration.speed_mm_per_s,
        "gain_mm_per_mv": calibration.gain_mm_per_mv,
        "layout": recording.layout,
        "lead_names": " ".join(recording.names),
        "digitizer": recording.method,
    }
    if recording.leads:
        known = np.isfinite(recording.signal_mv)
        shown = sum((lead.end_s - lead.start_s) * recording.fs_hz for lead in recording.leads)
        confidence = np.stack([lead.signal.confidence for lead in recording.leads])
        facts |= {
            "sampling_rate_hz": recording.fs_hz,
            "n_samples": known.shape[1],
            "duration_s": float(recording.time_s[-1]),
            "recovered": round(min(1.0, float(known.sum() / max(shown, 1.0))), 4),
            "mean_confidence": round(float(confidence[known].mean()), 4),
        }
    return facts


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 5)


def note_facts(signal: LeadSignal | None) -> dict[str, Any]:
    """Return what the note says besides: doubts and notes one by one, and where the signal lies in px."""
    if signal is None:
        return {"doubts": [], "notes": [], "start_px": None, "end_px": None}
    shown = np.flatnonzero(np.isfinite(signal.row_px))
    return {
        "doubts": list(signal.doubts),
        "notes": list(signal.notes),
        "start_px": round(float(signal.start_px), 2),
        "end_px": float(shown[-1]) if len(shown) else None,
    }


def write_note(
    result: FileResult, item: InputFile, output_dir: Path, settings: str, more: dict[str, Any]
) -> FileResult:
    """
    Write the JSON of a result, whole or not at all.

    Parameters
    ----------
    result : FileResult
    item : InputFile
    output_dir : Path
    settings : str
        Stands for whatever the result depends on besides the picture.
    more : dict
        What stands in the note besides.

    Returns
    -------
    FileResult
        As it was; failed where the note could not be written.
    """
    path = output_path(output_dir, item, ".json")
    content = asdict(result) | more
    content |= {
        "version": metadata.version("ecgtrace"),
        "file": _file_state(item.source),
        "settings": settings,
    }
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        reason = f"{path.name} cannot be written ({error.strerror})"
        if result.status == FAILED:
            reason = result.message
        return FileResult(**asdict(result) | {"status": FAILED, "message": reason})
    return result
