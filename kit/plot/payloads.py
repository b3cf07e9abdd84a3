"""What a sensor saw: an image with what was detected in it, a scan from above."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from kit import palette
from kit.errors import ArgumentError
from kit.plot.style import (
    MARGIN,
    SMALL,
    WIDTH,
    Picture,
    counted,
    empty,
    figure,
    grid,
    named,
    panel,
    titled,
    write,
)

TALL = 4.2
"""Greatest height of an image or scan, in inches."""
BEHIND = {"facecolor": palette.PAPER, "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
"""What is behind a label on an image."""


def image(pixels: Any, detections: Any = None, *, title: str | None = None, width: float = 5.0) -> Picture:
    """Return an image with the boxes of what was detected in it; axes are pixels.

    `pixels` is an array of shape (height, width) or (height, width, channels), as study.payload(log, seq, decode=True) gives.
    `detections` is what it gives of a detection log, a mapping with the key `detections` or a list: each with
    `bbox_xywh` (left, top, width, height in pixels) and maybe `label` and `score`. Raises ArgumentError for an array of
    another shape.
    """
    array = np.asarray(pixels)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ArgumentError(f"an image has the shape (height, width) or (height, width, channels), not {array.shape}")
    high, wide = array.shape[:2]
    if not array.size:
        return empty("image", title or "Image", "The image has no pixels.", width)
    across = width - 0.55 - MARGIN
    tall = min(across * high / wide, TALL)
    across = tall * wide / high
    picture = figure("image", width, tall + 0.42 + 0.5)
    axes = panel(picture, 0.55, 0.5, width - 0.55 - across, 0.42)
    shown = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    axes.imshow(shown, interpolation="nearest", aspect="auto", gid="pixels", cmap="gray")
    boxes = _boxes(detections)
    for number, (box, label) in enumerate(boxes):
        x, y, w, h = box
        # Pixel centres are whole numbers on the axes, box edges count from the corner of the first pixel.
        for colour, line in ((palette.PAPER, 3.2), (palette.RED, 1.4)):
            axes.add_patch(
                Rectangle((x - 0.5, y - 0.5), w, h, fill=False, edgecolor=colour, linewidth=line,
                          gid=f"box:{number}" if colour == palette.RED else "halo")
            )  # fmt: skip
        below = y < 0.12 * high
        place = (min(max(x - 0.5, -0.4), wide * 0.7), y + h - 0.4 if below else y - 0.6)
        write(axes, *place, label, f"name:{number}", size=SMALL, va="top" if below else "bottom", bbox=BEHIND)
    axes.set(xlim=(-0.5, wide - 0.5), ylim=(high - 0.5, -0.5))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    named(axes, x="x (pixels)", y="y (pixels)")
    found = f", {counted(len(boxes), 'detection')}" if detections is not None else ""
    titled(picture, title or f"{wide:,} x {high:,} pixels{found}")
    return picture


def scan(points: Any, *, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return a point cloud from above, to one scale, in metres of the sensor's frame; the sensor is the cross.

    `points` is a structured array with the fields x and y, as study.payload(log, seq, decode=True) gives, or of shape
    (n, 2) or more. Points that are not finite are left out, which the title tells. Raises ArgumentError for anything else.
    """
    xy = _xy(points)
    known = np.isfinite(xy).all(1)
    if not known.any():
        return empty("scan", title or "Scan", "The scan has no points.", width)
    out = len(xy) - int(known.sum())
    xy = xy[known]
    across = width - 0.75 - MARGIN - 0.1
    middle = np.array([0.0, 0.0])
    reach = np.maximum(np.abs(xy - middle).max(0) * 1.08, 0.25)
    scale = max(2 * reach[0] / across, 2 * reach[1] / TALL)
    picture = figure("scan", width, TALL + 0.42 + 0.55)
    axes = panel(picture, 0.75, 0.55, MARGIN + 0.1, 0.42)
    axes.plot(xy[:, 0], xy[:, 1], color=palette.BLUE, marker="o", markersize=3.5, linestyle="none", gid="points")
    axes.plot([0], [0], color=palette.INK, marker="+", markersize=10, linestyle="none", gid="sensor")
    axes.set(xlim=(-scale * across / 2, scale * across / 2), ylim=(-scale * TALL / 2, scale * TALL / 2))
    for axis in "xy":
        grid(axes, axis)
    named(axes, x="x (m)", y="y (m)")
    titled(
        picture,
        title or f"Scan from above: {counted(len(xy), 'point')}" + (f" ({out:,} without a place)" if out else ""),
    )
    return picture


def _boxes(detections: Any) -> list[tuple[tuple[float, float, float, float], str]]:
    listed = detections.get("detections") if isinstance(detections, Mapping) else detections
    if listed is None:
        return []
    if not isinstance(listed, Sequence) or isinstance(listed, str | bytes):
        raise ArgumentError(
            f"detections are a list, or a mapping with the key 'detections', not {type(detections).__name__}"
        )
    found = []
    for item in listed:
        box = item.get("bbox_xywh") if isinstance(item, Mapping) else None
        if not isinstance(box, Sequence) or len(box) != 4:
            raise ArgumentError(f"a detection has a bbox_xywh of four numbers; this one is {item!r:.80}")
        score = item.get("score")
        label = f"{item.get('label', '')}" + (f" {score:.2f}" if isinstance(score, int | float) else "")
        found.append(((float(box[0]), float(box[1]), float(box[2]), float(box[3])), label))
    return found


def _xy(points: Any) -> NDArray[np.float64]:
    array = np.asarray(points)
    if array.dtype.names is not None and {"x", "y"} <= set(array.dtype.names):
        return np.stack([array["x"], array["y"]], axis=1).astype(np.float64)
    if array.dtype.names is None and array.ndim == 2 and array.shape[1] >= 2:
        return array[:, :2].astype(np.float64)
    raise ArgumentError(
        f"points have fields x and y, or the shape (n, 2) or more, not {array.dtype} of shape {array.shape}"
    )
