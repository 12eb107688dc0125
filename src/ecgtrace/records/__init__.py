"""Sources of multi-lead records in mV, each parted into train, val and test."""

from ecgtrace.records.ptbxl import PtbXl
from ecgtrace.records.sample import SampleRecords
from ecgtrace.records.splits import SPLITS, RecordSource

__all__ = ["SPLITS", "PtbXl", "RecordSource", "SampleRecords"]
