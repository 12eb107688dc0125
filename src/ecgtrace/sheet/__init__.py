"""Where the paper of a whole page lies in its picture, and how large a millimetre is."""

from ecgtrace.sheet.find import find_sheet
from ecgtrace.sheet.sheet import Sheet

__all__ = ["Sheet", "find_sheet"]
