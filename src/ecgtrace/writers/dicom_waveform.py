"""
`NAME.dcm`: a DICOM 12-lead (or general) ECG waveform through `pydicom` (extra `formats`).

Samples are signed 16-bit numbers of 1 microvolt or more; what is not shown is the padding value -32768. No
patient is named: the picture's letters are not read for that.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ecgtrace.recording import Recording
from ecgtrace.units import LEAD_CODES, LEADS

_PADDING = -32768
_LARGEST = 32000
_TWELVE_LEAD = "1.2.840.10008.5.1.4.1.1.9.1.1"
_GENERAL = "1.2.840.10008.5.1.4.1.1.9.1.2"  # up to 24 leads of any name


def write(recording: Recording, stem: Path) -> tuple[Path, ...]:
    """Write all leads in microvolt as one multiplex group."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

    path = stem.with_name(stem.name + ".dcm")
    twelve = set(recording.names) <= set(LEADS)
    now = datetime.now().astimezone()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_TWELVE_LEAD if twelve else _GENERAL)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.Manufacturer = "ECG", "ecgtrace"
    dataset.PatientName = dataset.PatientID = dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.StudyID = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.StudyDate = dataset.ContentDate = now.strftime("%Y%m%d")
    dataset.StudyTime = dataset.ContentTime = now.strftime("%H%M%S")
    dataset.AcquisitionDateTime = now.strftime("%Y%m%d%H%M%S")
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.AcquisitionContextSequence = Sequence()
    dataset.WaveformSequence = Sequence([_group(recording)])
    dataset.save_as(path, enforce_file_format=True)
    return (path,)


def _group(recording: Recording) -> Any:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    microvolt = recording.signal_mv * 1000
    step = max(1.0, float(np.ceil(np.nanmax(np.abs(microvolt)) / _LARGEST)))
    numbers = np.rint(np.nan_to_num(microvolt, nan=0.0) / step)
    numbers[np.isnan(microvolt)] = _PADDING
    group = Dataset()
    group.MultiplexGroupTimeOffset = 0
    group.WaveformOriginality = "DERIVED" if recording.method != "signals" else "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = microvolt.shape
    group.SamplingFrequency = f"{recording.fs_hz:.10g}"
    group.MultiplexGroupLabel = "RHYTHM"
    group.ChannelDefinitionSequence = Sequence([_channel(name, step) for name in recording.names])
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformPaddingValue = np.array([_PADDING], "<i2").tobytes()
    group.WaveformData = np.ascontiguousarray(numbers.astype("<i2").T).tobytes()
    return group


def _channel(name: str, step: float) -> Any:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    channel = Dataset()
    channel.ChannelLabel = name
    if name in LEAD_CODES:
        code = _code(f"2:{LEAD_CODES[name]}", "MDC", f"Lead {name}")
    else:
        code = _code(name[:16], "99ECGTRACE", f"Lead {name}")
    channel.ChannelSourceSequence = Sequence([code])
    channel.ChannelSensitivity = f"{step:.10g}"
    channel.ChannelSensitivityUnitsSequence = Sequence([_code("uV", "UCUM", "microvolt")])
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline, channel.ChannelSampleSkew = "0", "0"
    channel.WaveformBitsStored = 16
    return channel


def _code(value: str, scheme: str, meaning: str) -> Any:
    from pydicom.dataset import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code
