"""Ruled paper drawn with exact coverage, and a trace on it."""

import cv2
import numpy as np

PALE, STRONG = (255, 237, 237), (191, 128, 128)  # minor and major lines of the published pages


def paper(
    x_px_per_mm, y_px_per_mm=None, width=1000, height=250, minor=PALE, major=STRONG, phase=(0.37, 0.71)
):
    """Draw a grid with exact coverage: a pixel is as dark as the share of it that a line covers."""
    image = np.full((height, width, 3), 255.0)
    scales = (y_px_per_mm or x_px_per_mm, x_px_per_mm)
    for step_mm, colour, line_mm in ((1, minor, 0.12), (5, major, 0.2)):
        if colour is None:
            continue
        for axis, px in enumerate(scales):
            centre = np.arange(image.shape[axis])[:, None]
            line = (np.arange(-1, image.shape[axis] / px / step_mm + 1) * step_mm + phase[axis]) * px
            half = max(1.0, line_mm * px) / 2
            cover = np.minimum(centre + 0.5, line + half) - np.maximum(centre - 0.5, line - half)
            cover = np.clip(cover, 0, 1).max(axis=1)
            cover = cover[:, None, None] if axis == 0 else cover[None, :, None]
            image = image * (1 - cover) + np.array(colour) * cover
    return np.clip(image, 0, 255).astype(np.uint8)


def with_trace(image, px_per_mm, stroke_mm=0.31, seed=0):
    """Draw a beating trace, a lead name and a dashed black separator."""
    rng = np.random.default_rng(seed)
    height, width = image.shape[:2]
    time_s = np.arange(int((width - 30) / (25 * px_per_mm) * 100) + 2) / 100
    beat = (time_s + rng.random()) % 0.83
    waves = (
        (0.12, 0.18, 0.025),
        (-0.15, 0.28, 0.01),
        (1.0, 0.31, 0.012),
        (-0.3, 0.34, 0.01),
        (0.3, 0.55, 0.05),
    )
    mv = sum(a * np.exp(-0.5 * ((beat - m) / s) ** 2) for a, m, s in waves)
    y = np.clip(height * 0.65 - mv * 10 * px_per_mm, 4, height - 4)
    points = np.round(np.c_[15 + time_s * 25 * px_per_mm, y] * 16).astype(np.int32)
    result = image.copy()
    thickness = max(1, round(stroke_mm * px_per_mm))
    cv2.polylines(result, [points], False, (0, 0, 0), thickness, cv2.LINE_AA, 4)
    size = max(0.3, px_per_mm / 15)
    at = (30, int(2.5 * px_per_mm) + 8)
    cv2.putText(result, "aVR", at, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), max(1, int(px_per_mm / 10)))
    for row in range(0, height, max(4, int(2 * px_per_mm))):
        cv2.line(result, (6, row), (6, row + int(px_per_mm)), (0, 0, 0), max(1, int(px_per_mm / 5)))
    return result


def crop(px_per_mm, stroke_mm=0.31, **kwargs):
    return with_trace(paper(px_per_mm, **kwargs), px_per_mm, stroke_mm)


def jpeg(image, quality):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def noisy(image, sigma):
    noise = np.random.default_rng(0).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)
