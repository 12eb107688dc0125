"""
The scale of standard ECG paper, written once.

The figures are those of the AHA/ACCF/HRS recommendations (Kligfield et al. 2007,
https://doi.org/10.1161/CIRCULATIONAHA.106.180200): 25 mm/s and 10 mm/mV.
"""

PAPER_SPEED_MM_PER_S = 25.0
GAIN_MM_PER_MV = 10.0
LARGE_SQUARE_MM = 5.0  # major grid lines; minor ones stand 1 mm apart
MM_PER_INCH = 25.4
POINTS_PER_INCH = 72.0  # of PDF

S_PER_LARGE_SQUARE = LARGE_SQUARE_MM / PAPER_SPEED_MM_PER_S  # 0.2 s
MV_PER_LARGE_SQUARE = LARGE_SQUARE_MM / GAIN_MM_PER_MV  # 0.5 mV

# The field's order; note aVR before aVL.
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

# Codes of leads in SCP-ECG (EN 1064, table of lead identification); ISO 11073 (MDC) and DICOM use the same.
LEAD_CODES = {
    "I": 1,
    "II": 2,
    **{f"V{k}": 2 + k for k in range(1, 8)},
    **{f"V{k}R": 8 + k for k in range(2, 8)},
    "III": 61,
    "aVR": 62,
    "aVL": 63,
    "aVF": 64,
    "V8": 66,
    "V9": 67,
}


def px_to_s(px: float, px_per_mm: float) -> float:
    """Convert a horizontal distance in pixels to seconds."""
    return px / px_per_mm / PAPER_SPEED_MM_PER_S


def px_to_mv(px: float, px_per_mm: float) -> float:
    """Convert a vertical distance in pixels to millivolt (sign unchanged)."""
    return px / px_per_mm / GAIN_MM_PER_MV


def s_to_px(seconds: float, px_per_mm: float) -> float:
    """Convert seconds to a horizontal distance in pixels."""
    return seconds * PAPER_SPEED_MM_PER_S * px_per_mm


def mv_to_px(mv: float, px_per_mm: float) -> float:
    """Convert millivolt to a vertical distance in pixels (sign unchanged)."""
    return mv * GAIN_MM_PER_MV * px_per_mm
