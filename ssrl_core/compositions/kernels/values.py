"""Loading, and changes of single pixels. The formulas: `ssrl_core.compositions.colour` and the transforms.

Some take random words for each pixel (Philox4x32-10, bit for bit as in `random_numbers`): those of the counter (row,
column, channel // 4, 0) under the drawn seed; the four words are four channels.
"""

from __future__ import annotations

import numpy as np

from ssrl_core.compositions import Array
from ssrl_core.compositions.colour import GREY
from ssrl_core.compositions.kernels import ONE, ZERO, kernel, part, summing
from ssrl_core.compositions.random_numbers import EXACT_UP_TO, FAR, MIDDLE, MOST, SHEPPARD, TAIL

_BINS = 256
_TO_BIN = np.float32(_BINS - 1e-3)
_LAST = np.float32(_BINS - 1)


@kernel
def equalize(images: Array, first: int, applied: Array) -> None:
    """Each channel through its own table, (n, C, P) in place. The rule: `transforms.equalize`."""
    counts = np.empty(_BINS, np.int64)
    table = np.empty(_BINS, np.float32)
    for i in range(images.shape[0]):
        if not applied[first + i]:
            continue
        for c in range(images.shape[1]):
            line = images[i, c]
            for b in range(_BINS):
                counts[b] = 0
            brightest = 0
            for j in range(line.shape[0]):
                b = int(line[j] * _TO_BIN)
                counts[b] += 1
                brightest = b if b > brightest else brightest
            width = (line.shape[0] - counts[brightest]) // (_BINS - 1)
            if width == 0:
                continue
            darker = 0
            for b in range(_BINS):
                level = (darker + width // 2) // width
                table[b] = np.float32(level if level < _BINS else _BINS - 1) / _LAST
                darker += counts[b]
            for j in range(line.shape[0]):
                line[j] = table[int(line[j] * _TO_BIN)]


@kernel
def rescale(images: Array, first: int, applied: Array, gain: Array, offset: Array) -> None:
    """gain · x + offset of each channel, clipped; gain, offset (N, C) float32, images (n, C, P) in place."""
    for i in range(images.shape[0]):
        if not applied[first + i]:
            continue
        for c in range(images.shape[1]):
            line, factor, plus = images[i, c], gain[first + i, c], offset[first + i, c]
            for j in range(line.shape[0]):
                value = line[j] * factor + plus
                value = value if value > ZERO else ZERO
                line[j] = value if value < ONE else ONE


@kernel
def raise_to(images: Array, first: int, applied: Array, power: Array) -> None:
    """x to the power of `power` (N,) float32; images (n, C, P) in place."""
    for i in range(images.shape[0]):
        if not applied[first + i] or power[first + i] == ONE:
            continue
        for c in range(images.shape[1]):
            line = images[i, c]
            for j in range(line.shape[0]):
                line[j] = line[j] ** power[first + i]


@kernel
def load(source: Array, rows: Array, top: np.float32, out: Array) -> None:
    """Some images (N, values) of any number type into (n, values) float32: value / top, at most 1."""
    for i in range(len(rows)):
        pixels, line = source[rows[i]], out[i]
        for j in range(pixels.shape[0]):
            value = np.float32(pixels[j]) / top
            line[j] = value if value < ONE else ONE


_RED, _GREEN, _BLUE = (np.float32(weight) for weight in GREY)
_TWO, _FOUR, _SIX = np.float32(2), np.float32(4), np.float32(6)
_SIXTH = np.float32(1 / 6)
_BLOCK = 512


@summing
def grey_mean(image: Array) -> np.float32:
    """Mean grey: weighted for three channels, the plain mean for any other number."""
    channels, count = image.shape
    total = 0.0
    for c in range(channels):
        weight = 1.0 / channels
        if channels == 3:
            weight = np.float64(_RED) if c == 0 else (np.float64(_GREEN) if c == 1 else np.float64(_BLUE))
        line = image[c]
        for start in range(0, count, _BLOCK):
            part = ZERO
            for i in range(start, min(start + _BLOCK, count)):
                part += line[i]
            total += weight * np.float64(part)
    return np.float32(total / count)


@kernel
def blend(image: Array, factor: np.float32, rest: np.float32) -> None:
    """f · x + rest, clipped."""
    for c in range(image.shape[0]):
        line = image[c]
        for i in range(line.shape[0]):
            value = line[i] * factor + rest
            value = value if value > ZERO else ZERO
            line[i] = value if value < ONE else ONE


@kernel
def saturate(image: Array, factor: np.float32) -> None:
    """f · x + (1 - f) · grey, clipped."""
    red, green, blue = image[0], image[1], image[2]
    rest = ONE - factor
    for i in range(red.shape[0]):
        r, g, b = red[i], green[i], blue[i]
        dull = (_RED * r + _GREEN * g + _BLUE * b) * rest
        r, g, b = r * factor + dull, g * factor + dull, b * factor + dull
        r, g, b = r if r > ZERO else ZERO, g if g > ZERO else ZERO, b if b > ZERO else ZERO
        red[i] = r if r < ONE else ONE
        green[i] = g if g < ONE else ONE
        blue[i] = b if b < ONE else ONE


@kernel
def turn_hue(image: Array, turn: np.float32) -> None:
    """Colours turned round the wheel by a share of a turn."""
    red, green, blue = image[0], image[1], image[2]
    shift = _SIX * turn + _SIX
    for i in range(red.shape[0]):
        r, g, b = red[i], green[i], blue[i]
        top = r if r > g else g
        top = top if top > b else b
        low = r if r < g else g
        low = low if low < b else b
        chroma = top - low
        by_red, by_green = g - b, b - r
        place = r - g
        start = _FOUR
        place = by_green if top == g else place
        start = _TWO if top == g else start
        place = by_red if top == r else place
        start = ZERO if top == r else start
        h = place / (chroma if chroma > ZERO else ONE) + start + shift
        red[i] = _side(h + np.float32(5), top, chroma)
        green[i] = _side(h + np.float32(3), top, chroma)
        blue[i] = _side(h + ONE, top, chroma)


@kernel
def _side(k: np.float32, top: np.float32, chroma: np.float32) -> np.float32:
    """One channel of a colour whose hue is k sixths of a turn from the channel's own zero."""
    k -= np.floor(k * _SIXTH) * _SIX
    other = _FOUR - k
    k = k if k < other else other
    k = k if k > ZERO else ZERO
    k = k if k < ONE else ONE
    value = top - k * chroma
    value = value if value > ZERO else ZERO
    return value if value < ONE else ONE


@kernel
def jitter(images: Array, first: int, applied: Array, order: Array, amounts: Array) -> None:
    """Brightness, contrast, saturation, hue in the drawn order.

    Args:
        images: (n, C, P), in place; the first of them is number `first` of the N drawn.
        applied: (N,) bool.
        order: (N, 4) numbers of the four changes.
        amounts: (N, 4) float32: three factors (1 changes nothing) and a turn (0 changes nothing).
    """
    for i in range(images.shape[0]):
        m = first + i
        if not applied[m]:
            continue
        image = images[i]
        for turn in range(4):
            change = order[m, turn]
            amount = amounts[m, change]
            if change == 0 and amount != ONE:
                blend(image, amount, ZERO)
            elif change == 1 and amount != ONE:
                blend(image, amount, (ONE - amount) * grey_mean(image))
            elif change == 2 and amount != ONE:
                saturate(image, amount)
            elif change == 3 and amount != ZERO:
                turn_hue(image, amount)


@kernel
def hue_only(images: Array, first: int, applied: Array, turn: Array) -> None:
    """Hue turned by `turn` (N,) float32, in place."""
    for i in range(images.shape[0]):
        if applied[first + i] and turn[first + i] != ZERO:
            turn_hue(images[i], turn[first + i])


@kernel
def take_colour(images: Array, first: int, applied: Array) -> None:
    """The grey of three channels in all of them, in place."""
    for i in range(images.shape[0]):
        if not applied[first + i]:
            continue
        red, green, blue = images[i, 0], images[i, 1], images[i, 2]
        for j in range(red.shape[0]):
            value = _RED * red[j] + _GREEN * green[j] + _BLUE * blue[j]
            value = value if value < ONE else ONE
            red[j] = green[j] = blue[j] = value


@kernel
def turn_round(images: Array, first: int, applied: Array, threshold: Array) -> None:
    """Values of at least `threshold` (N,) float32 become 1 - x, in place."""
    for i in range(images.shape[0]):
        if not applied[first + i]:
            continue
        limit = threshold[first + i]
        for c in range(images.shape[1]):
            line = images[i, c]
            for j in range(line.shape[0]):
                line[j] = ONE - line[j] if line[j] >= limit else line[j]


@kernel
def clipped(value: np.float32) -> np.float32:
    """A value in 0..1."""
    value = value if value > ZERO else ZERO
    return value if value < ONE else ONE


@kernel
def shade(images: Array, first: int, applied: Array, rows: Array, columns: Array) -> None:
    """x · (rows + columns), clipped; rows (n, H), columns (n, W) float32, (n, C, H, W) in place."""
    for i in range(images.shape[0]):
        if not applied[first + i]:
            continue
        for c in range(images.shape[1]):
            for y in range(images.shape[2]):
                line = images[i, c, y]
                for x in range(line.shape[0]):
                    line[x] = clipped(line[x] * (rows[i, y] + columns[i, x]))


@kernel
def mix(images: Array, first: int, applied: Array, share: Array, space: Array) -> None:
    """Each channel the sum of all by their share (n, C, C) float32, clipped; images (n, C, P) in place, space (C,)."""
    channels = images.shape[1]
    for i in range(images.shape[0]):
        if not applied[first + i]:
            continue
        for j in range(images.shape[2]):
            for c in range(channels):
                space[c] = images[i, c, j]
            for c in range(channels):
                total = ZERO
                for d in range(channels):
                    total += space[d] * share[i, c, d]
                images[i, c, j] = clipped(total)


_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_SHIFT = np.uint64(32)


@kernel
def block(
    c0: np.uint32, c1: np.uint32, c2: np.uint32, c3: np.uint32, k0: np.uint32, k1: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Four words of one counter."""
    for _ in range(10):
        one, two = np.uint64(c0) * _M0, np.uint64(c2) * _M1
        high0, low0 = np.uint32(one >> _SHIFT), np.uint32(one)
        high1, low1 = np.uint32(two >> _SHIFT), np.uint32(two)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    return np.uint32(c0), np.uint32(c1), np.uint32(c2), np.uint32(c3)


@kernel
def words(ids: Array, epoch: int, view: int, first: int, key0: int, key1: int, out: Array) -> None:
    """All blocks of some views and images into out (blocks, views, images, 4) int64."""
    k0, k1, c1 = np.uint32(key0), np.uint32(key1), np.uint32(epoch)
    for b in range(out.shape[0]):
        c3 = np.uint32(first + b)
        for v in range(out.shape[1]):
            c2 = np.uint32(view + v)
            for i in range(out.shape[2]):
                four = block(np.uint32(ids[i]), c1, c2, c3, k0, k1)
                out[b, v, i, 0], out[b, v, i, 1] = four[0], four[1]
                out[b, v, i, 2], out[b, v, i, 3] = four[2], four[3]


_UNIT = np.float32(2.0**-24)
_EIGHT = np.uint32(8)
_NONE, _MEAN, _NOISE = 0, 1, 2


@part
def pixel_words(row: int, column: int, quad: int, seed: Array) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Four words of a pixel."""
    zero = np.uint32(0)
    return block(np.uint32(row), np.uint32(column), np.uint32(quad), zero, np.uint32(seed[0]), np.uint32(seed[1]))


@kernel
def erase(images: Array, first: int, applied: Array, boxes: Array, kind: int, value: np.float32, seeds: Array) -> None:
    """A rectangle covered, (n, C, H, W) in place.

    Args:
        boxes: (n, 4) int64 top, left, height, width.
        kind: 0 a value, 1 the mean of each channel, 2 noise.
        seeds: (N, 2) int64.
    """
    channels, height, width = images.shape[1:]
    for i in range(images.shape[0]):
        m = first + i
        if not applied[m]:
            continue
        top, left, tall, wide = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
        for c in range(channels):
            cover = value
            if kind == _MEAN:
                total = 0.0
                for y in range(height):
                    for x in range(width):
                        total += images[i, c, y, x]
                cover = np.float32(total / (height * width))
            for y in range(tall):
                for x in range(wide):
                    if kind == _NOISE:
                        cover = np.float32(pixel_words(y, x, c // 4, seeds[m])[c % 4] >> _EIGHT) * _UNIT
                    images[i, c, top + y, left + x] = cover


@part
def normal(word: np.uint32) -> float:
    """A standard normal number from a word. The formula: `ssrl_core.compositions.random_numbers`."""
    p = (np.float64(word) + 0.5) * 2.0**-32
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        top, low = MIDDLE
        return (
            q * (((top[3] * r + top[2]) * r + top[1]) * r + top[0]) / (((low[3] * r + low[2]) * r + low[1]) * r + 1.0)
        )
    r = np.sqrt(-np.log(p if q < 0 else 1.0 - p))
    if r <= 5.0:
        r -= 1.6
        top, low = TAIL
        z = (((top[3] * r + top[2]) * r + top[1]) * r + top[0]) / ((low[2] * r + low[1]) * r + 1.0)
    else:
        r -= 5.0
        top, low = FAR
        z = (((top[3] * r + top[2]) * r + top[1]) * r + top[0]) / ((low[2] * r + low[1]) * r + 1.0)
    return float(-z if q < 0 else z)


@kernel
def add_normal(images: Array, first: int, applied: Array, sigma: Array, seeds: Array) -> None:
    """x + sigma · z, clipped; sigma (N,) float32, seeds (N, 2) int64, images (n, C, H, W) in place."""
    channels, height, width = images.shape[1:]
    for i in range(images.shape[0]):
        m = first + i
        if not applied[m] or sigma[m] == ZERO:
            continue
        for quad in range((channels + 3) // 4):
            for y in range(height):
                for x in range(width):
                    four = pixel_words(y, x, quad, seeds[m])
                    for c in range(4 * quad, min(4 * quad + 4, channels)):
                        value = images[i, c, y, x] + sigma[m] * np.float32(normal(four[c - 4 * quad]))
                        value = value if value > ZERO else ZERO
                        images[i, c, y, x] = value if value < ONE else ONE


@part
def counted(word: np.uint32, expected: float) -> float:
    """A Poisson number from a word. The formula: `ssrl_core.compositions.random_numbers`."""
    if expected > EXACT_UP_TO:
        z, root = normal(word), np.sqrt(expected - SHEPPARD)
        number = np.floor(expected + root * z + (z * z - 1.0) / 6.0 + (z - z * z * z) / (72.0 * root) + 0.5)
        return number if number > 0.0 else 0.0
    u = (np.float64(word) + 0.5) * 2.0**-32
    chance = np.exp(-expected)
    below, number = chance, 0.0
    while u > below and number < MOST:
        number += 1.0
        chance *= expected / number
        below += chance
    return number


@kernel
def count_photons(images: Array, first: int, applied: Array, photons: Array, seeds: Array) -> None:
    """Poisson(x · photons) / photons, clipped; photons (N,) float64, images (n, C, H, W) in place."""
    channels, height, width = images.shape[1:]
    for i in range(images.shape[0]):
        m = first + i
        if not applied[m]:
            continue
        for quad in range((channels + 3) // 4):
            for y in range(height):
                for x in range(width):
                    four = pixel_words(y, x, quad, seeds[m])
                    for c in range(4 * quad, min(4 * quad + 4, channels)):
                        expected = np.float64(images[i, c, y, x]) * photons[m]
                        value = np.float32(counted(four[c - 4 * quad], expected) / photons[m])
                        images[i, c, y, x] = value if value < ONE else ONE


@kernel
def expose(images: Array, first: int, applied: Array, exposure: Array, below: Array, seeds: Array) -> None:
    """min(x · exposure, 1), 1 where a word is below; exposure (N,) float32, below (N,) int64, (n, C, H, W) in place."""
    channels, height, width = images.shape[1:]
    for i in range(images.shape[0]):
        m = first + i
        if not applied[m]:
            continue
        for quad in range((channels + 3) // 4):
            for y in range(height):
                for x in range(width):
                    four = pixel_words(y, x, quad, seeds[m])
                    for c in range(4 * quad, min(4 * quad + 4, channels)):
                        value = images[i, c, y, x] * exposure[m]
                        hot = np.int64(four[c - 4 * quad]) < below[m]
                        images[i, c, y, x] = ONE if hot or value > ONE else value
