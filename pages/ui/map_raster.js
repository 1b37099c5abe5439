// Points as pixels, without a graphics card: anti-aliased discs written straight into the image, so that ten thousand
// points take a few milliseconds on any machine.

const SUB = 3; // places within a pixel that a disc can start at

function discs(radius) {
  // For each place within a pixel: [dx, dy, alpha 0..255, …] of the pixels a disc covers.
  const reach = Math.ceil(radius + 1);
  const all = [];
  for (let v = 0; v < SUB; v += 1) {
    for (let u = 0; u < SUB; u += 1) {
      const list = [];
      for (let dy = -reach; dy <= reach; dy += 1) {
        for (let dx = -reach; dx <= reach; dx += 1) {
          const away = Math.hypot(dx - (u + 0.5) / SUB + 0.5, dy - (v + 0.5) / SUB + 0.5);
          const alpha = Math.min(1, Math.max(0, radius + 0.5 - away));
          if (alpha > 0.02) list.push(dx, dy, Math.round(alpha * 255));
        }
      }
      all.push(Int16Array.from(list));
    }
  }
  return all;
}

function rgbOf(text) {
  const hex = text.trim();
  if (/^#[0-9a-f]{6}$/i.test(hex)) return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const numbers = hex.match(/[\d.]+/g);
  return numbers && numbers.length >= 3 ? numbers.slice(0, 3).map(Number) : [128, 128, 128];
}

function rampOf(stops) {
  // 256 colours: 0..254 along the ramp, 255 for a missing value (filled in by the caller).
  const table = new Uint8Array(256 * 3);
  const known = stops.map(rgbOf);
  for (let i = 0; i < 255; i += 1) {
    const place = (i / 254) * (known.length - 1);
    const low = Math.min(known.length - 2, Math.floor(place));
    for (let c = 0; c < 3; c += 1) {
      table[3 * i + c] = Math.round(known[low][c] + (place - low) * (known[low + 1][c] - known[low][c]));
    }
  }
  return table;
}

function drawOrder(n) {
  // The same shuffle for the same n: no group lies on top of another because it comes last.
  const order = new Uint32Array(n);
  for (let i = 0; i < n; i += 1) order[i] = i;
  let state = 12345;
  for (let i = n - 1; i > 0; i -= 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function pointRadius(map) {
  const { n, view, fit } = map;
  const base = Math.min(4.6, Math.max(1.0, 150 / Math.sqrt(n + 400)));
  return Math.min(8, base * Math.pow(view.scale / fit.scale, 0.35));
}

function paintPoints(map) {
  const { base, ratio, view, xs, ys, codes, table, shown, order } = map;
  const width = base.width;
  const height = base.height;
  const context = base.getContext("2d", { willReadFrequently: true });
  if (!map.frame || map.frame.width !== width || map.frame.height !== height) map.frame = context.createImageData(width, height);
  const pixels = map.frame.data;
  const ground = map.theme.ground;
  new Uint32Array(pixels.buffer).fill((255 << 24) | (ground[2] << 16) | (ground[1] << 8) | ground[0]);
  const radius = pointRadius(map) * ratio;
  const normal = discs(radius);
  const strong = discs(radius + 0.6 * ratio);
  const opacity = map.n > 20000 ? 0.55 : map.n > 4000 ? 0.75 : 0.88;
  const selected = map.selected;
  const scale = view.scale * ratio;
  const left = width / 2 - view.x * scale;
  const top = height / 2 + view.y * scale;
  const edge = radius + 2;
  const pass = (only, stamps, strength) => {
    for (let at = 0; at < order.length; at += 1) {
      const i = order[at];
      if (!shown[i] || (selected && only !== null && (selected[i] === 1) !== only)) continue;
      const px = left + xs[i] * scale;
      const py = top - ys[i] * scale;
      if (px < -edge || py < -edge || px > width + edge || py > height + edge) continue;
      const x0 = Math.floor(px);
      const y0 = Math.floor(py);
      const stamp = stamps[Math.floor((py - y0) * SUB) * SUB + Math.floor((px - x0) * SUB)];
      const c = 3 * codes[i];
      const r = table[c];
      const g = table[c + 1];
      const b = table[c + 2];
      for (let s = 0; s < stamp.length; s += 3) {
        const x = x0 + stamp[s];
        const y = y0 + stamp[s + 1];
        if (x < 0 || y < 0 || x >= width || y >= height) continue;
        const p = (y * width + x) << 2;
        const a = stamp[s + 2] * strength;
        pixels[p] += ((r - pixels[p]) * a) / 255;
        pixels[p + 1] += ((g - pixels[p + 1]) * a) / 255;
        pixels[p + 2] += ((b - pixels[p + 2]) * a) / 255;
      }
    }
  };
  if (selected) {
    pass(false, normal, 0.16);
    pass(true, strong, 0.95);
  } else {
    pass(null, normal, opacity);
  }
  context.putImageData(map.frame, 0, 0);
}

function nearestPoint(map, sx, sy, within) {
  // Row of the drawn point nearest to a place on the screen (css px), -1 if none is within reach.
  const x = (sx - map.width / 2) / map.view.scale + map.view.x;
  const y = (map.height / 2 - sy) / map.view.scale + map.view.y;
  let best = (within / map.view.scale) ** 2;
  let found = -1;
  for (let i = 0; i < map.n; i += 1) {
    if (!map.shown[i]) continue;
    const away = (map.xs[i] - x) ** 2 + (map.ys[i] - y) ** 2;
    if (away < best) {
      best = away;
      found = i;
    }
  }
  return found;
}

function insideOutline(map, outline) {
  // 1 for every drawn point inside the polygon (even-odd); the page counts again, in full precision.
  const inside = new Uint8Array(map.n);
  for (let i = 0; i < map.n; i += 1) {
    if (!map.shown[i]) continue;
    const x = map.xs[i];
    const y = map.ys[i];
    let odd = false;
    for (let a = 0, b = outline.length - 1; a < outline.length; b = a, a += 1) {
      const [x1, y1] = outline[a];
      const [x2, y2] = outline[b];
      if (y1 > y !== y2 > y && x < x1 + ((y - y1) * (x2 - x1)) / (y2 - y1)) odd = !odd;
    }
    inside[i] = odd ? 1 : 0;
  }
  return inside;
}
