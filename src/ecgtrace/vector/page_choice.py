"""What the user says of a page, which counts more than what the page says of itself."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from ecgtrace.errors import ConfigError
from ecgtrace.layout.given import NOT_KNOWN, GivenLayout, parse_layout, parse_leads
from ecgtrace.vector.calibration import PaperChoice


@dataclass(frozen=True)
class PageChoice(PaperChoice):
    """
    Speed, gain, layout, names and scale that the user gives; what is not given is left to the page.

    Attributes
    ----------
    speed_mm_per_s, gain_mm_per_mv : float or None
    layout : GivenLayout or None
    leads : tuple of str
        As `layout.given.parse_leads`: column by column from top to bottom, strips last; empty: not given.
    px_per_mm : float or None
        Of a page that is a picture.

    Raises
    ------
    ConfigError
        If a value cannot be, or there are not as many names as the layout has traces.
    """

    layout: GivenLayout | None = None
    leads: tuple[str, ...] = ()
    px_per_mm: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layout is None or not self.leads:
            return
        n, main = len(self.leads), self.layout.rows * self.layout.columns
        if n not in (main, main + self.layout.strips):
            strips = f", or {main + self.layout.strips} with strips" if self.layout.strips else ""
            raise ConfigError(f"leads: {n} names for layout={self.layout.name}; it has {main} leads{strips}")
        known = [name.removeprefix("-") for name in self.leads[:main] if name != NOT_KNOWN]
        twice = sorted({name for name in known if known.count(name) > 1})
        if twice:
            raise ConfigError(f"leads: {', '.join(twice)} given twice for layout={self.layout.name}")

    @classmethod
    def of(
        cls, speed: Any = None, gain: Any = None, layout: Any = None, leads: Any = None, px_per_mm: Any = None
    ) -> "PageChoice":
        """
        Return the choice that options say; None is not given.

        Examples
        --------
        >>> PageChoice.of(gain=5.0, layout="3x1", leads="II III aVF").given
        {'gain_mm_per_mv': 5.0, 'layout': '3x1', 'leads': ['II', 'III', 'aVF']}
        """
        return cls(
            speed,
            gain,
            None if layout is None else parse_layout(layout),
            () if leads is None else parse_leads(leads),
            px_per_mm,
        )

    def over(self, other: "PageChoice") -> "PageChoice":
        """Return what is given here, and for the rest what the other gives."""
        values = {f.name: getattr(self, f.name) or getattr(other, f.name) for f in fields(self)}
        return PageChoice(**values)

    @property
    def for_paper_alone(self) -> "PageChoice":
        """Without what a picture of one lead has no use for."""
        return PageChoice(self.speed_mm_per_s, self.gain_mm_per_mv, px_per_mm=self.px_per_mm)

    @property
    def says_page(self) -> bool:
        """Whether what is given is of pages alone."""
        return bool(self.layout or self.leads)

    @property
    def given(self) -> dict[str, Any]:
        """What is given, as plain values by name."""
        plain = asdict(self) | {"layout": self.layout and self.layout.name, "leads": list(self.leads)}
        return {name: value for name, value in plain.items() if value}


NOTHING = PageChoice()
