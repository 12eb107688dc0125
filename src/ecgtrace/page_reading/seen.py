"""What the networks and the recognizer see on a sheet that lies some way."""

from dataclasses import dataclass

from ecgtrace.page_ink.maps import PageMaps
from ecgtrace.page_ink.names import FoundName
from ecgtrace.page_text.page_print import PagePrint
from ecgtrace.sheet import Sheet


@dataclass(frozen=True, eq=False)
class Seen:
    """
    A sheet and what is seen on it.

    Attributes
    ----------
    sheet : Sheet
    maps : PageMaps
    names : list of FoundName
        In px of the maps, the surest first.
    page_print : PagePrint
    """

    sheet: Sheet
    maps: PageMaps
    names: list[FoundName]
    page_print: PagePrint
