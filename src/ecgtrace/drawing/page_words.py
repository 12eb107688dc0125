"""What is printed on a page beside its traces: names of leads as machines spell them, headers, footers."""

from dataclasses import dataclass

import numpy as np

from ecgtrace.drawing.lettering import FONTS
from ecgtrace.drawing.style import Color
from ecgtrace.units import LEADS

# Leads that are recorded beside the twelve: right-sided, posterior, Frank's.
OTHER_LEADS = ("V3R", "V4R", "V5R", "V6R", "V7", "V8", "V9", "X", "Y", "Z")


@dataclass(frozen=True)
class Text:
    """
    A line of text on the paper.

    Attributes
    ----------
    text : str
    x_mm, y_mm : float
        Left end of the baseline, from the upper left corner of the page.
    height_mm : float
        Of a capital.
    font : str
        One of `lettering.FONTS`.
    ink : tuple of int
        RGB.
    """

    text: str
    x_mm: float
    y_mm: float
    height_mm: float
    font: str = "sans"
    ink: Color = (0, 0, 0)


@dataclass(frozen=True)
class NameStyle:
    """
    How a machine spells the names of leads.

    Attributes
    ----------
    augmented : str
        "aVR", "AVR", "avR", "aVr" or "avr": the pattern for all three.
    chest : str
        Letter of the chest leads, V or C.
    limb : str
        In front of I, II, III, as D in DI.
    suffix : str
        Behind each name, as a colon.
    """

    augmented: str = "aVR"
    chest: str = "V"
    limb: str = ""
    suffix: str = ""

    def spell(self, name: str) -> str:
        """
        Return a name as it is printed.

        Examples
        --------
        >>> [NameStyle("AVR", "C", suffix=":").spell(name) for name in ("II", "-aVR", "V3", "V4R")]
        ['II:', '-AVR:', 'C3:', 'C4R:']
        """
        sign, bare = ("-", name[1:]) if name.startswith("-") else ("", name)
        if bare.startswith("aV"):
            letter = bare[-1] if self.augmented[-1].isupper() else bare[-1].lower()
            bare = self.augmented[:-1] + letter
        elif bare.startswith("V"):
            bare = self.chest + bare[1:]
        elif bare in LEADS:
            bare = self.limb + bare
        return f"{sign}{bare}{self.suffix}"


def draw_name_style(rng: np.random.Generator) -> NameStyle:
    """Draw a spelling; most machines write aVR and V1. Shares are our choice."""
    return NameStyle(
        str(rng.choice(["aVR", "AVR", "avR", "aVr", "avr"], p=[0.8, 0.1, 0.04, 0.03, 0.03])),
        str(rng.choice(["V", "C"], p=[0.94, 0.06])),
        str(rng.choice(["", "D"], p=[0.97, 0.03])),
        str(rng.choice(["", ":", "."], p=[0.92, 0.06, 0.02])),
    )


# Fields of headers, in the languages of the pages that we have seen. Values are drawn; no name of a person.
_MEASURES = (
    ("Vent. rate", "BPM", 40, 140), ("PR interval", "ms", 90, 240), ("QRS duration", "ms", 60, 180),
    ("QT/QTc", "ms", 320, 500), ("P-R-T axes", "", -90, 180), ("HR", "bpm", 40, 140), ("PR", "ms", 90, 240),
    ("QRS", "ms", 60, 180), ("RV5/SV1", "mV", 0, 4), ("HF", "/min", 40, 140), ("PQ", "ms", 90, 240),
    ("QTcB", "ms", 320, 500), ("P-Achse", "°", -90, 180), ("Herzfrequenz", "/min", 40, 140),
    ("RR", "ms", 400, 1500), ("P Dauer", "ms", 60, 140), ("FC", "lpm", 40, 140), ("Axe QRS", "°", -90, 180),
)  # fmt: skip
_FINDINGS = (
    "Normal sinus rhythm", "Normal ECG", "Abnormal ECG", "SINUS RHYTHM", "Sinus bradycardia",
    "Low voltage QRS", "Left axis deviation", "Possible left atrial enlargement", "Unconfirmed",
    "ST elevation, consider early repolarization", "Nonspecific T wave abnormality in V1, V2",
    "Left ventricular hypertrophy", "SINUSRHYTHMUS", "LAGETYP NORMAL", "UNBESTAETIGTER BERICHT",
    "Inferior infarct (II, III, aVF), age undetermined", "Prolonged QT", "Report confirmed by:",
    "Right bundle branch block", "Diagnosis Information:", "ECG REPORT", "RUHE-EKG", "Rhythmus normal",
    "I", "Atrial fibrillation", "*** Unconfirmed ***",
)  # fmt: skip
_FIELDS = (
    "ID", "Name", "Age", "Sex", "Room", "Technician", "Department", "Date", "Time", "Weight", "Height",
    "Medication", "Patient-Nr.", "Fall-Nr", "Geb.-datum", "Geschlecht", "Ref-Phys.", "Order", "Device",
    "Comments", "mmHg", "kg", "cm", "Loc", "Option", "Req. No.",
)  # fmt: skip
_FILTERS = (
    "0.05-40 Hz", "150Hz", "100Hz", "0.67~25Hz AC50", "40Hz", "F 60~ 0.15-100 Hz", "~0.05-150 Hz",
    "TP 40Hz, AC 50Hz", "W 0.5-40 Hz", "0.01-20Hz 50Hz",
)  # fmt: skip
_DEVICES = (
    "V1.6",
    "12SL 237",
    "SE-3",
    "AT-102",
    "v2.31 (0.75)",
    "LP15",
    "MAC 9",
    "PageWriter",
    "Page 1 of 1",
)


_LETTER = 0.95  # width of a letter and the gap behind it, of the height of a capital: that of bold typefaces


def scale_text(speed_mm_per_s: float, gain_mm_per_mv: float, rng: np.random.Generator) -> str:
    """Return speed and gain as a machine prints them."""
    space = " " if rng.random() < 0.5 else ""
    between = str(rng.choice(["  ", "    ", ", ", " | ", "          "]))
    return f"{speed_mm_per_s:g}{space}mm/s{between}{gain_mm_per_mv:g}{space}mm/mV"


def draw_header(
    width_mm: float, top_mm: float, bottom_mm: float, ink: Color, rng: np.random.Generator
) -> list[Text]:
    """
    Draw the texts of a header: blocks of lines, each block a column of fields, measures or findings.

    Parameters
    ----------
    width_mm : float
        Of the page.
    top_mm, bottom_mm : float
        Between which heights the lines stand.
    ink : tuple of int
    rng : numpy.random.Generator
    """
    texts: list[Text] = []
    font = str(rng.choice(FONTS))
    height_mm = float(rng.uniform(1.4, 2.8))
    pitch_mm = height_mm * float(rng.uniform(1.5, 2.2))
    n_lines = int((bottom_mm - top_mm) / pitch_mm)
    if n_lines < 1:
        return texts
    x_mm = float(rng.uniform(3, 20))
    blue: Color = (20, 30, 160)
    while x_mm < width_mm - 25:
        what = rng.choice(["fields", "measures", "findings"])
        colour = blue if rng.random() < 0.08 else ink
        lines = [_line(str(what), rng) for _ in range(int(rng.integers(1, n_lines + 1)))]
        for number, line in enumerate(lines):
            y_mm = top_mm + height_mm + number * pitch_mm
            texts.append(Text(line, x_mm, y_mm, height_mm, font, colour))
        x_mm += max(map(len, lines)) * _LETTER * height_mm + float(rng.uniform(0, 50))
    if rng.random() < 0.15:  # a title or a rate, larger
        big_mm = height_mm * float(rng.uniform(1.4, 2.2))
        title = str(rng.choice(["ECG REPORT", "57 bpm", "12-LEAD ECG", "EKG", "HF 63/min", "RHYTHM STRIP"]))
        texts.append(Text(title, float(rng.uniform(0.3, 0.7)) * width_mm, top_mm + big_mm, big_mm, font, ink))
    return texts


def draw_footer(
    width_mm: float, y_mm: float, speed_and_gain: str, ink: Color, rng: np.random.Generator
) -> list[Text]:
    """Draw one line of a footer: speed and gain, filters, the machine, a date; each perhaps."""
    font = str(rng.choice(FONTS))
    height_mm = float(rng.uniform(1.4, 2.6))
    parts = [speed_and_gain] if speed_and_gain else []
    parts += [str(rng.choice(_FILTERS))] if rng.random() < 0.7 else []
    parts += [str(rng.choice(_DEVICES))] if rng.random() < 0.5 else []
    parts += [_date(rng)] if rng.random() < 0.4 else []
    x_mm = float(rng.uniform(3, 0.4 * width_mm))
    texts = []
    for part in parts:
        texts.append(Text(part, x_mm, y_mm, height_mm, font, ink))
        x_mm += len(part) * _LETTER * height_mm + float(rng.uniform(2, 40))
    return [text for text in texts if text.x_mm < width_mm - 10]


def _line(what: str, rng: np.random.Generator) -> str:
    if what == "findings":
        return str(rng.choice(_FINDINGS))
    colon = str(rng.choice([" ", ": ", "   "]))
    if what == "measures":
        name, unit, low, high = _MEASURES[int(rng.integers(len(_MEASURES)))]
        value = f"{rng.integers(low, high)}"
        if "/" in name or "axes" in name:
            value += f"/{rng.integers(low, high)}"
        return f"{name}{colon}{value} {unit}".rstrip()
    name = str(rng.choice(_FIELDS))
    value = _date(rng) if rng.random() < 0.3 else f"{rng.integers(0, 10 ** rng.integers(1, 8))}"
    return f"{name}{colon}{'' if rng.random() < 0.3 else value}"


def _date(rng: np.random.Generator) -> str:
    day, month, year = int(rng.integers(1, 29)), int(rng.integers(1, 13)), int(rng.integers(1990, 2026))
    time = f"{rng.integers(24):02d}:{rng.integers(60):02d}:{rng.integers(60):02d}"
    form = str(rng.choice(["{d:02d}.{m:02d}.{y}", "{y}-{m:02d}-{d:02d}", "{m}/{d}/{y}"]))
    return form.format(d=day, m=month, y=year) + (f" {time}" if rng.random() < 0.6 else "")
