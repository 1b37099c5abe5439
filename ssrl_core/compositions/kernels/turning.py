"""Images that turn or slant: one bilinear look-up through the whole chain, a row at a time.

The walk backwards through the steps is that of `ssrl_core.compositions.warp`, which says why.
"""

from __future__ import annotations

import numpy as np

from ssrl_core.compositions.kernels.compiling import HALF, ONE, ZERO, kernel, part
from ssrl_core.compositions.laws import Array


@kernel
def resample(
    source: Array, out: Array, first: int, points: Array, matrices: Array, windows: Array, lost: Array, steps: Array
) -> None:
    """Render the images that have `points`.

    Args:
        source: (n, C, H, W) float32.
        out: (n, C, h, w) float32.
        points: (N,) points a side that are averaged for each output pixel; 0 is an image that is not rendered here.
        matrices: (S, N, 2, 3) float64, in the order of the steps: from the new frame to the old one.
        windows: (S, N, 4) float64, x0, x1, y0, y1 of what was cut out; ±inf where nothing was.
        lost: (S, N) bool: what is outside the old frame is the fill.
        steps: (S, 3) float64: height and width of the old frame, and the fill.
    """
    channels, height, width = source.shape[1:]
    new_height, new_width = out.shape[2:]
    walk = np.empty((8, new_width), np.float32)
    places = np.empty(new_width, np.uint32)
    for i in range(source.shape[0]):
        m = first + i
        count = points[m]
        if count == 0:
            continue
        share = np.float32(1.0 / (count * count))
        flat = source[i].reshape(channels, height * width)
        for y in range(new_height):
            for c in range(channels):
                out[i, c, y, :] = ZERO
            for point in range(count * count):
                start_x, start_y = (point % count + 0.5) / count, (point // count + 0.5) / count
                matrix = _walk_back(walk, start_x, y + start_y, matrices[:, m], windows[:, m], lost[:, m], steps)
                _look_up(walk, places, share, matrix, height, width)
                _add(flat, walk, places, height, width, out[i, :, y])
            for c in range(channels):
                _clip(out[i, c, y])


@part
def _walk_back(
    walk: Array, x: float, y: float, matrices: Array, windows: Array, lost: Array, steps: Array
) -> tuple[float, float, float, float, float, float]:
    """Walk back through the steps from a row of points.

    Fills walk: x, y (of the last points that no matrix reaches), the share that is seen, and the fill beyond it.

    Returns:
        The six numbers of the matrix from those points to the source.
    """
    px, py, seen, filled = walk[0], walk[1], walk[2], walk[3]
    for j in range(px.shape[0]):
        px[j], py[j] = np.float32(j + x), np.float32(y)
        seen[j], filled[j] = ONE, ZERO
    a, b, c, d, e, f = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0
    for s in range(matrices.shape[0] - 1, -1, -1):
        m = matrices[s]
        a, b, c, d, e, f = (
            m[0, 0] * a + m[0, 1] * d,
            m[0, 0] * b + m[0, 1] * e,
            m[0, 0] * c + m[0, 1] * f + m[0, 2],
            m[1, 0] * a + m[1, 1] * d,
            m[1, 0] * b + m[1, 1] * e,
            m[1, 0] * c + m[1, 1] * f + m[1, 2],
        )
        window = windows[s]
        if np.isfinite(window[0]):
            _stay_inside(px, py, (a, b, c, d, e, f), window)
            a, b, c, d, e, f = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0
        if lost[s]:
            _fade(px, py, seen, filled, (a, b, c, d, e, f), steps[s])
    return a, b, c, d, e, f


@part
def _stay_inside(px: Array, py: Array, m: tuple[float, ...], window: Array) -> None:
    """The points half a pixel within the piece that was cut out, so that its edge pixels are repeated."""
    a, b, c = np.float32(m[0]), np.float32(m[1]), np.float32(m[2])
    d, e, f = np.float32(m[3]), np.float32(m[4]), np.float32(m[5])
    x0, x1 = np.float32(window[0]) + HALF, np.float32(window[1]) - HALF
    y0, y1 = np.float32(window[2]) + HALF, np.float32(window[3]) - HALF
    for j in range(px.shape[0]):
        x, y = a * px[j] + (b * py[j] + c), d * px[j] + (e * py[j] + f)
        x, y = x if x > x0 else x0, y if y > y0 else y0
        px[j], py[j] = x if x < x1 else x1, y if y < y1 else y1


@part
def _fade(px: Array, py: Array, seen: Array, filled: Array, m: tuple[float, ...], step: Array) -> None:
    """Points outside the old frame fade to the fill over one pixel."""
    half_y, half_x, fill = np.float32(step[0] / 2), np.float32(step[1] / 2), np.float32(step[2])
    a, b, c = np.float32(m[0]), np.float32(m[1]), np.float32(m[2] - step[1] / 2)
    d, e, f = np.float32(m[3]), np.float32(m[4]), np.float32(m[5] - step[0] / 2)
    for j in range(px.shape[0]):
        x = half_x + HALF - abs(a * px[j] + (b * py[j] + c))
        y = half_y + HALF - abs(d * px[j] + (e * py[j] + f))
        x, y = x if x > ZERO else ZERO, y if y > ZERO else ZERO
        x, y = x if x < ONE else ONE, y if y < ONE else ONE
        after = seen[j] * x * y
        filled[j] += (seen[j] - after) * fill
        seen[j] = after


@part
def _look_up(walk: Array, places: Array, share: np.float32, m: tuple[float, ...], height: int, width: int) -> None:
    """The upper left of four neighbours in the source of each point, and the weights of the four."""
    px, py, seen, filled = walk[0], walk[1], walk[2], walk[3]
    w0, w1, w2, w3 = walk[4], walk[5], walk[6], walk[7]
    a, b, c = np.float32(m[0]), np.float32(m[1]), np.float32(m[2] - 0.5)
    d, e, f = np.float32(m[3]), np.float32(m[4]), np.float32(m[5] - 0.5)
    last_x, last_y, line = np.float32(width - 1), np.float32(height - 1), np.int32(width)
    most_x, most_y = np.int32(max(width - 2, 0)), np.int32(max(height - 2, 0))
    for j in range(px.shape[0]):
        x, y = a * px[j] + (b * py[j] + c), d * px[j] + (e * py[j] + f)
        x, y = x if x > ZERO else ZERO, y if y > ZERO else ZERO
        x, y = x if x < last_x else last_x, y if y < last_y else last_y
        x0, y0 = np.int32(x), np.int32(y)
        x0, y0 = x0 if x0 < most_x else most_x, y0 if y0 < most_y else most_y
        right, down, weight = x - np.float32(x0), y - np.float32(y0), seen[j] * share
        filled[j] *= share
        w0[j], w1[j] = (ONE - right) * (ONE - down) * weight, right * (ONE - down) * weight
        w2[j], w3[j] = (ONE - right) * down * weight, right * down * weight
        places[j] = np.uint32(y0 * line + x0)


@part
def _add(flat: Array, walk: Array, places: Array, height: int, width: int, out: Array) -> None:
    """Interpolate at the points and add to a row (C, w) of the output."""
    filled, w0, w1, w2, w3 = walk[3], walk[4], walk[5], walk[6], walk[7]
    across, down = np.uint32(1 if width > 1 else 0), np.uint32(width if height > 1 else 0)
    for j in range(places.shape[0]):
        p0 = places[j]
        p1, p2, p3 = np.uint32(p0 + across), np.uint32(p0 + down), np.uint32(p0 + across + down)
        a, b, c, d = w0[j], w1[j], w2[j], w3[j]
        if flat.shape[0] == 3:  # written out: a loop of three costs as much as what it does
            red = flat[0, p0] * a + flat[0, p1] * b + (flat[0, p2] * c + flat[0, p3] * d)
            green = flat[1, p0] * a + flat[1, p1] * b + (flat[1, p2] * c + flat[1, p3] * d)
            blue = flat[2, p0] * a + flat[2, p1] * b + (flat[2, p2] * c + flat[2, p3] * d)
            out[0, j] += red + filled[j]
            out[1, j] += green + filled[j]
            out[2, j] += blue + filled[j]
        else:
            for k in range(flat.shape[0]):
                value = flat[k, p0] * a + flat[k, p1] * b + (flat[k, p2] * c + flat[k, p3] * d)
                out[k, j] += value + filled[j]


@part
def _clip(line: Array) -> None:
    for j in range(line.shape[0]):
        value = line[j] if line[j] > ZERO else ZERO
        line[j] = value if value < ONE else ONE
