"""Resampling: rows and columns apart for upright images, one bilinear look-up a point for those that turn or slant.

Weights and walk are those of `ssrl_core.compositions.separable` and `resampling`, which say why. Few functions
and no slices that could be spared: what a kernel costs to compile is paid by the first call. Blur (by a Gaussian or a
disk) and displacement, which mix neighbours too, stand at the end.
"""

from __future__ import annotations

import numpy as np

from ssrl_core.compositions import Array
from ssrl_core.compositions.kernels import HALF, ONE, ZERO, kernel, part

_TINY = 1e-12
_FAR = 1e9
_Y, _X = np.int64(0), np.int64(1)
"""Not plain numbers: a function is compiled once for each number that is written in its call."""


@kernel
def resample_upright(
    source: Array, out: Array, first: int, mine: Array, lines: Array, stages: Array, scratch: tuple[Array, ...]
) -> None:
    """Render the images that are `mine`.

    Args:
        source: (n, C, H, W) float32.
        out: (n, C, h, w) float32.
        mine: (N,) bool.
        lines: (2, N, 2) float64, for y and for x: scale and offset from an output place to a source place.
        stages: (2, S, N, 6) float64, the last step first: window low and high, frame low and high, source pixels that a
            pixel of the step spans, fill. Bounds are ±1e9 where there are none.
        scratch: as `working_space` makes it.
    """
    index, weights, seen, _, row = scratch
    channels = source.shape[1]
    for i in range(source.shape[0]):
        m = first + i
        if not mine[m]:
            continue
        down = taps(_Y, m, lines, stages, source.shape[2], out.shape[2], scratch)
        across = taps(_X, m, lines, stages, source.shape[3], out.shape[3], scratch)
        low, high = source.shape[3], 0
        for k in range(across):
            for x in range(out.shape[3]):
                low = low if low < index[1, k, x] else index[1, k, x]
                high = high if high > index[1, k, x] else index[1, k, x]
        for y in range(out.shape[2]):
            one, two = np.uint32(index[0, 0, y]), np.uint32(index[0, 1, y])
            near, far = weights[0, 0, y], weights[0, 1, y]
            for c in range(channels):
                for x in range(low, high + 1):
                    p = np.uint64(x)  # never below zero, which would count from the end
                    row[c, p] = near * source[i, c, one, p] + far * source[i, c, two, p]
                for k in range(2, down):
                    more, weight = np.uint32(index[0, k, y]), weights[0, k, y]
                    for x in range(low, high + 1):
                        p = np.uint64(x)
                        row[c, p] += weight * source[i, c, more, p]
            for x in range(out.shape[3]):
                one, two = np.uint32(index[1, 0, x]), np.uint32(index[1, 1, x])
                near, far = weights[1, 0, x], weights[1, 1, x]
                if channels == 3:  # written out: a loop of three costs as much as what it does
                    red, green = near * row[0, one] + far * row[0, two], near * row[1, one] + far * row[1, two]
                    out[i, 0, y, x], out[i, 1, y, x] = red, green
                    out[i, 2, y, x] = near * row[2, one] + far * row[2, two]
                else:
                    for c in range(channels):
                        out[i, c, y, x] = near * row[c, one] + far * row[c, two]
            for k in range(2, across):
                for c in range(channels):
                    for x in range(out.shape[3]):
                        out[i, c, y, x] += weights[1, k, x] * row[c, np.uint32(index[1, k, x])]
            for c in range(channels):
                for s in range(stages.shape[1]):
                    if stages[0, s, m, 5] != 0.0:
                        for x in range(out.shape[3]):
                            lost = seen[0, s, 0, y] * seen[1, s, 0, x] - seen[0, s, 1, y] * seen[1, s, 1, x]
                            out[i, c, y, x] += np.float32(lost * stages[0, s, m, 5])
                for x in range(out.shape[3]):
                    value = out[i, c, y, x]
                    value = value if value > ZERO else ZERO
                    out[i, c, y, x] = value if value < ONE else ONE


@part
def taps(axis: np.int64, m: int, lines: Array, stages: Array, old: int, new: int, scratch: tuple[Array, ...]) -> int:
    """Which places each output place is a weighted sum of; returns how many."""
    index, weights, seen, line = scratch[0], scratch[1], scratch[2], scratch[3]
    scale, offset = lines[axis, m, 0], lines[axis, m, 1]
    wide = abs(scale) > 1.0
    reach = abs(scale) if wide else 1.0
    count = int(np.ceil(2.0 * reach - 1e-9)) if wide else 2
    for j in range(new):
        middle = (j + 0.5) * scale + offset
        start = int(np.floor(middle - reach - 0.5)) + 1
        total = 0.0
        if wide:
            for k in range(count):
                weight = 1.0 - abs(start + k + 0.5 - middle) / reach
                line[k] = weight if weight > 0.0 else 0.0
                total += line[k]
            for k in range(count):
                line[k] /= total
        total = 1.0
        for s in range(stages.shape[1] + 1):
            last = s == stages.shape[1]
            low = 0.0 if last else stages[axis, s, m, 0]
            high = float(old) if last else stages[axis, s, m, 1]
            if not wide:
                if last:
                    break
                half = 0.5 * stages[axis, s, m, 4]
                middle = middle if middle > low + half else low + half
                middle = middle if middle < high - half else high - half
            elif low > -_FAR or high < _FAR:
                kept = 0.0
                for k in range(count):
                    line[k] *= cover(start + k, low, high)
                    kept += line[k]
                for k in range(count):
                    line[k] *= total / (kept if kept > _TINY else _TINY)
                total = total if kept > _TINY else kept
            if last:
                break
            seen[axis, s, 0, j] = total
            low, high = stages[axis, s, m, 2], stages[axis, s, m, 3]
            if low > -_FAR or high < _FAR:
                if wide:
                    total = 0.0
                    for k in range(count):
                        line[k] *= cover(start + k, low, high)
                        total += line[k]
                else:
                    ramp = middle - low if middle - low < high - middle else high - middle
                    ramp = ramp / stages[axis, s, m, 4] + 0.5
                    ramp = ramp if ramp > 0.0 else 0.0
                    total *= ramp if ramp < 1.0 else 1.0
            seen[axis, s, 1, j] = total
        if not wide:
            middle = middle if middle > -_FAR else -_FAR
            middle = middle if middle < _FAR else _FAR
            start = int(np.floor(middle - 0.5))
            line[1] = ((middle - 0.5) - start) * total
            line[0] = (1.0 - ((middle - 0.5) - start)) * total
        for k in range(count):
            place = start + k
            place = place if place > 0 else 0
            index[axis, k, j] = place if place < old - 1 else old - 1
            weights[axis, k, j] = line[k]
    return count


@part
def cover(place: int, low: float, high: float) -> float:
    """Share of a pixel that lies in a span."""
    left = place if place > low else low
    right = place + 1.0 if place + 1.0 < high else high
    share = right - left
    return share if share > 0.0 else 0.0


def working_space(
    channels: int, lines: Array, stages: Array, old: tuple[int, int], new: tuple[int, int]
) -> tuple[Array, ...]:
    """Arrays that `resample_upright` works in."""
    taps_most = max(2, int(np.ceil(2 * np.abs(lines[..., 0]).max())))
    side = max(*new)
    return (
        np.empty((2, taps_most, side), np.int32),
        np.empty((2, taps_most, side), np.float32),
        np.empty((2, stages.shape[1], 2, side)),
        np.empty(taps_most),
        np.empty((channels, old[1]), np.float32),
    )


@kernel
def resample_turned(
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


@kernel
def blur(
    images: Array, first: int, radius: Array, weights: Array, down: Array, across: Array, plane: Array, line: Array
) -> None:
    """Rows, then columns, edges mirrored; (n, C, H, W) in place.

    Args:
        radius: (N,) int64; 0 is left alone.
        weights: (N, R + 1) float32 of the middle and of each distance, R the largest radius.
        down, across: (H + 2R,), (W + 2R,) int64: mirrored places.
        plane, line: (H, W), (W + 2R,) float32, working space.
    """
    height, width = images.shape[2:]
    most = weights.shape[1] - 1
    for i in range(images.shape[0]):
        reach, weight = radius[first + i], weights[first + i]
        if reach == 0:
            continue
        for c in range(images.shape[1]):
            for y in range(height):
                for x in range(width):
                    plane[y, x] = weight[0] * images[i, c, y, x]
                for d in range(1, reach + 1):
                    above, below = down[y + most - d], down[y + most + d]
                    for x in range(width):
                        plane[y, x] += weight[d] * (
                            images[i, c, np.uint32(above), x] + images[i, c, np.uint32(below), x]
                        )
            for y in range(height):
                for x in range(width + 2 * most):
                    line[x] = plane[y, np.uint32(across[x])]
                for x in range(width):
                    images[i, c, y, x] = weight[0] * line[np.uint32(x + most)]
                for d in range(1, reach + 1):
                    for x in range(width):
                        pair = line[np.uint32(x + most - d)] + line[np.uint32(x + most + d)]
                        images[i, c, y, x] += weight[d] * pair
                for x in range(width):
                    value = images[i, c, y, x] if images[i, c, y, x] > ZERO else ZERO
                    images[i, c, y, x] = value if value < ONE else ONE


@kernel
def disk(images: Array, first: int, reach: Array, weights: Array, down: Array, across: Array, plane: Array) -> None:
    """Weighted by a disk, edges mirrored; (n, C, H, W) in place.

    Args:
        reach: (N,) int64, pixels to each side; 0 is left alone.
        weights: (N, 2R + 1, 2R + 1) float32, R the largest reach.
        down, across: (H + 2R,), (W + 2R,) int64: mirrored places.
        plane: (H + 2R, W + 2R) float32, working space.
    """
    height, width = images.shape[2:]
    most = weights.shape[1] // 2
    for i in range(images.shape[0]):
        r = reach[first + i]
        if r == 0:
            continue
        for c in range(images.shape[1]):
            for y in range(height + 2 * most):
                for x in range(width + 2 * most):
                    plane[y, x] = images[i, c, np.uint32(down[y]), np.uint32(across[x])]
            for y in range(height):
                for x in range(width):
                    images[i, c, y, x] = ZERO
                for dy in range(most - r, most + r + 1):
                    for dx in range(most - r, most + r + 1):
                        weight = weights[first + i, dy, dx]
                        if weight != ZERO:
                            for x in range(width):
                                images[i, c, y, x] += weight * plane[np.uint32(y + dy), np.uint32(x + dx)]
                for x in range(width):
                    value = images[i, c, y, x]
                    images[i, c, y, x] = value if value < ONE else ONE


@kernel
def displace(images: Array, rows: Array, moved: Array, plane: Array) -> None:
    """Some images read at other places (bilinear, edges repeated), (n, C, H, W) in place.

    Args:
        rows: (k,) int64 which of the images.
        moved: (k, 2, H, W) float32 pixels down and right.
        plane: (H, W) float32, working space.
    """
    height, width = images.shape[2:]
    last_row, last_column = np.float32(height - 1), np.float32(width - 1)
    for k in range(rows.shape[0]):
        for c in range(images.shape[1]):
            image = images[rows[k], c]
            for row in range(height):
                for column in range(width):
                    y = min(max(np.float32(row) + moved[k, 0, row, column], ZERO), last_row)
                    x = min(max(np.float32(column) + moved[k, 1, row, column], ZERO), last_column)
                    top, left = int(y), int(x)
                    under, beside = min(top + 1, height - 1), min(left + 1, width - 1)
                    low, right = y - np.float32(top), x - np.float32(left)
                    above = image[top, left] * (ONE - right) + image[top, beside] * right
                    below = image[under, left] * (ONE - right) + image[under, beside] * right
                    plane[row, column] = above * (ONE - low) + below * low
            image[:, :] = plane
