"""
DICOM objects: waveforms, which need no reading; pictures; PDFs inside.

`pydicom` reads them (extra `formats`). What a waveform object holds besides, such as a median beat, is
named in a note and left out.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ecgtrace.documents import pdf
from ecgtrace.documents.source import SourcePage
from ecgtrace.errors import InputImageError
from ecgtrace.images import as_rgb
from ecgtrace.recording import Calibration, RecordedLead, Recording, lead_order
from ecgtrace.types import FloatArray
from ecgtrace.units import LEAD_CODES

_MARK, _MARK_AT = b"DICM", 128
_ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
_SHORTEST_S = 2.0  # a median beat has 1.2
_SAMPLES = {8: "<i1", 16: "<i2", 32: "<i4"}  # by bits
_MV = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "V": 1e3, "nV": 1e-6}
# In SCP-ECG lead I is 5.6.3-9-1, in ISO 11073 (MDC) 2:1.
_BY_CODE = {code: name for name, code in LEAD_CODES.items()}


def is_dicom(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a DICOM object."""
    return head[_MARK_AT : _MARK_AT + 4] == _MARK


def count_pages(path: Path) -> int:
    """
    Return how many pages an object has: its frames, or the pages of the PDF inside.

    Raises
    ------
    InputImageError
        If it cannot be read.
    """
    dataset = _read(path)
    if "WaveformSequence" in dataset:
        return 1
    inside = _pdf_of(dataset)
    if inside is not None:
        return pdf.count_pages(inside, path.name)
    return max(1, int(dataset.get("NumberOfFrames", 1) or 1))


def read_page(path: Path, number: int = 1) -> SourcePage:
    """
    Read a page of an object.

    Raises
    ------
    InputImageError
        If it cannot be read, or holds neither waveform nor picture nor PDF.
    """
    dataset = _read(path)
    if "WaveformSequence" in dataset:
        return SourcePage(recording=_recording(dataset, path.name))
    inside = _pdf_of(dataset)
    if inside is not None:
        return pdf.read_vectors(inside, path.name, number)
    if "PixelData" not in dataset:
        raise InputImageError(f"{path.name} is a DICOM object without a waveform, a picture or a PDF")
    return _picture(dataset, path.name, number)


def draw(path: Path, number: int, dpi: float) -> SourcePage:
    """
    Draw a page of the PDF inside an object.

    Raises
    ------
    InputImageError
        If there is none.
    """
    inside = _pdf_of(_read(path))
    if inside is None:
        raise InputImageError(f"{path.name} holds no PDF")
    return pdf.draw(inside, path.name, number, dpi)


def _read(path: Path) -> Any:
    try:
        import pydicom
    except ModuleNotFoundError:
        raise InputImageError("DICOM objects need pydicom: pip install 'ecgtrace[formats]'") from None
    try:
        return pydicom.dcmread(path)
    except OSError as error:
        raise InputImageError(f"{path.name} cannot be read ({error.strerror})") from None
    except Exception as error:  # its parser raises all sorts
        raise InputImageError(f"{path.name} is a damaged DICOM object; copy or export it again") from error


def _pdf_of(dataset: Any) -> bytes | None:
    if str(dataset.get("SOPClassUID", "")) != _ENCAPSULATED_PDF:
        return None
    return bytes(dataset.EncapsulatedDocument)


def _picture(dataset: Any, name: str, number: int) -> SourcePage:
    count = max(1, int(dataset.get("NumberOfFrames", 1) or 1))
    try:
        pixels = dataset.pixel_array
        if count > 1:
            pixels = pixels[number - 1]
        if str(dataset.get("PhotometricInterpretation", "")).startswith("YBR"):
            from pydicom.pixels import convert_color_space

            pixels = convert_color_space(pixels, dataset.PhotometricInterpretation, "RGB")
    except Exception as error:
        raise InputImageError(f"the picture in {name} cannot be decoded ({error})") from error
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        pixels = ((pixels - low) / max(high - low, 1.0) * 255).astype(np.uint8)
    if str(dataset.get("PhotometricInterpretation", "")) == "MONOCHROME1":
        pixels = 255 - pixels
    return SourcePage(as_rgb(pixels), number=number, count=count)


def _recording(dataset: Any, name: str) -> Recording:
    """Take over the rhythm of a waveform object: its longest group of original signals."""
    groups = list(dataset.WaveformSequence)
    seconds = [g.NumberOfWaveformSamples / float(g.SamplingFrequency) for g in groups]
    original = [i for i, g in enumerate(groups) if str(g.get("WaveformOriginality", "")) != "DERIVED"]
    chosen = max(original or range(len(groups)), key=lambda index: seconds[index])
    if seconds[chosen] < _SHORTEST_S:
        raise InputImageError(f"{name} holds {seconds[chosen]:.1f} s, such as a median beat, and no rhythm")
    left_out = [str(g.get("MultiplexGroupLabel", "?")) for i, g in enumerate(groups) if i != chosen]
    from pydicom.waveforms import multiplex_array

    group = groups[chosen]
    try:
        values: FloatArray = np.array(dataset.waveform_array(chosen), dtype=float)
        if "WaveformPaddingValue" in group:
            padding = np.frombuffer(group.WaveformPaddingValue, _SAMPLES[group.WaveformBitsAllocated])[0]
            values[multiplex_array(dataset, chosen, as_raw=True) == padding] = np.nan
    except Exception as error:
        raise InputImageError(f"the waveform in {name} cannot be decoded ({error})") from error
    fs_hz = float(group.SamplingFrequency)
    leads = [
        _lead(channel, values[:, index], fs_hz, index)
        for index, channel in enumerate(group.ChannelDefinitionSequence)
        if np.isfinite(values[:, index]).any()
    ]
    if not leads:
        raise InputImageError(f"the waveform in {name} is empty")
    taken = [lead.name for lead in leads]
    if len(set(taken)) < len(taken):
        raise InputImageError(f"{name} names a lead twice: {', '.join(taken)}")
    notes = (f"waveforms left out: {', '.join(left_out)}",) if left_out else ()
    return Recording(
        tuple(sorted(leads, key=lambda lead: lead_order(lead.name))),
        "signals",
        Calibration(scale_from="signals", speed_from="signals", gain_from="signals"),
        notes=notes,
        method="signals",
        unit="",
    )


def _lead(channel: Any, values: FloatArray, fs_hz: float, index: int) -> RecordedLead:
    """Return a channel in mV: pydicom has applied sensitivity and baseline."""
    units = channel.get("ChannelSensitivityUnitsSequence", None)
    unit = str(units[0].CodeValue) if units else ""
    if unit not in _MV:
        raise InputImageError(f"channel {index + 1} is in '{unit}', which is no voltage that is known here")
    mv = values * _MV[unit]
    found = _name(channel)
    return RecordedLead.without_page(
        found or f"unknown_{index + 1}", mv, fs_hz, name_from="file" if found else "none"
    )


def _name(channel: Any) -> str:
    """Return the lead of a channel by its code, or by what it is called; empty where neither is known."""
    sources = channel.get("ChannelSourceSequence", None)
    if not sources:
        return _plain(str(channel.get("ChannelLabel", "")))
    source = sources[0]
    scheme, code = str(source.get("CodingSchemeDesignator", "")), str(source.get("CodeValue", ""))
    number = code.rpartition("-" if scheme == "SCPECG" else ":")[2]
    if scheme in ("SCPECG", "MDC") and number.isdecimal() and int(number) in _BY_CODE:
        return _BY_CODE[int(number)]
    return _plain(str(source.get("CodeMeaning", ""))) or _plain(str(channel.get("ChannelLabel", "")))


def _plain(text: str) -> str:
    words = text.replace("(", " ").replace(")", " ").split()
    by_upper = {lead.upper(): lead for lead in LEAD_CODES}
    found = [by_upper[word.upper()] for word in words if word.upper() in by_upper]
    return found[0] if len(found) == 1 else ""
