"""Sources of multi-lead records in mV, each parted into train, val and test."""

from ecgtrace.records.ludb import Ludb
from ecgtrace.records.packed import PackedRecords
from ecgtrace.records.ptbxl import PtbXl
from ecgtrace.records.sample import SampleRecords
from ecgtrace.records.splits import SPLITS, RecordSource

__all__ = ["SPLITS", "Ludb", "PackedRecords", "PtbXl", "RecordSource", "SampleRecords"]
