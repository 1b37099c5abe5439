// The map without a screen: decoding what was sent, places on screen and map, which point is meant, groups and their
// middles. Nothing here draws or listens, so tests run it in node (tests/pages/js).

const [FARTHEST, NEAREST] = [0.5, 400]; // of the view, beside the one that shows all
const MOST_NAMES = 40;
const MOST_SAMPLED = 1000; // points of a group that its middle is sought among
const COMPACT = 0.62; // of the reach of all points: a group within it has a place of its own

function decodePlaces({ header, parts }) {
  // Points in map units (the longer side is 1), their image ids, and the order they are drawn in.
  const n = header.n;
  const longest = Math.max(...header.span);
  const aspect = header.span.map((s) => s / longest);
  const [xs, ys] = [new Float32Array(n), new Float32Array(n)];
  for (let i = 0; i < n; i += 1) {
    xs[i] = (parts.places[2 * i] / 65535) * aspect[0];
    ys[i] = (parts.places[2 * i + 1] / 65535) * aspect[1];
  }
  const placed = parts.placed || new Uint8Array(n).fill(1);
  const ids = parts.ids instanceof Uint32Array ? parts.ids : summed(parts.ids);
  return { n, xs, ys, aspect, placed, ids, order: drawOrder(n) };
}

function summed(steps) {
  const ids = new Uint32Array(steps.length);
  let id = 0;
  for (let i = 0; i < ids.length; i += 1) {
    id += steps[i];
    ids[i] = id;
  }
  return ids;
}

function spread(bits, n) {
  const bytes = new Uint8Array(n);
  for (let i = 0; i < n; i += 1) bytes[i] = (bits[i >> 3] >> (i & 7)) & 1;
  return bytes;
}

function shades({ parts, low, high }) {
  // 0..254 from low to high, 255 for a missing value.
  const codes = new Uint8Array(parts.values.length);
  const span = Math.max(high - low, 1e-30);
  for (let i = 0; i < codes.length; i += 1) {
    const share = (parts.values[i] - low) / span;
    codes[i] = Number.isFinite(share) ? Math.max(0, Math.min(254, Math.round(254 * share))) : 255;
  }
  return codes;
}

function grouped(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
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
    const kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
  return order;
}

function pointRadius(map) {
  const { n, view, fit } = map;
  const base = Math.min(4.6, Math.max(1.0, 150 / Math.sqrt(n + 400)));
  return Math.min(8, base * Math.pow(view.scale / fit.scale, 0.35));
}

function sight(map, edge) {
  // The corners of what is in sight, in map units, with an edge of css pixels.
  const halfX = (map.width / 2 + edge) / map.view.scale;
  const halfY = (map.height / 2 + edge) / map.view.scale;
  return [map.view.x - halfX, map.view.x + halfX, map.view.y - halfY, map.view.y + halfY];
}

function countInSight(map) {
  const [x0, x1, y0, y1] = sight(map, 8);
  const { xs, ys, shown, n } = map;
  let count = 0;
  for (let i = 0; i < n; i += 1) {
    if (shown[i] && xs[i] >= x0 && xs[i] <= x1 && ys[i] >= y0 && ys[i] <= y1) count += 1;
  }
  return count;
}

function nearestPoint(map, sx, sy, within) {
  // Row of the drawn point nearest to a place on the screen (css px), -1 if none is within reach.
  const x = (sx - map.width / 2) / map.view.scale + map.view.x;
  const y = (map.height / 2 - sy) / map.view.scale + map.view.y;
  const { xs, ys, shown, n } = map;
  let best = (within / map.view.scale) ** 2;
  let found = -1;
  for (let i = 0; i < n; i += 1) {
    if (!shown[i]) continue;
    const away = (xs[i] - x) * (xs[i] - x) + (ys[i] - y) * (ys[i] - y);
    if (away < best) {
      best = away;
      found = i;
    }
  }
  return found;
}

function toScreen(map, i) {
  return [
    (map.xs[i] - map.view.x) * map.view.scale + map.width / 2,
    map.height / 2 - (map.ys[i] - map.view.y) * map.view.scale,
  ];
}

function claim(taken, x, y, w, h) {
  // Halves of a picture as cells: pictures may touch, and overlap by less than half.
  const column = Math.floor((2 * x) / w);
  const row = Math.floor((2 * y) / h);
  for (let dy = -1; dy <= 1; dy += 1) for (let dx = -1; dx <= 1; dx += 1) if (taken.has(`${column + dx},${row + dy}`)) return false;
  taken.add(`${column},${row}`);
  return true;
}

function fitted([w, h], size) {
  const scale = size / Math.max(w, h);
  return [w * scale, h * scale];
}

function spreadOf(map, rows) {
  const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
  const x = median(rows.map((i) => map.xs[i]));
  const y = median(rows.map((i) => map.ys[i]));
  return { x, y, reach: median(rows.map((i) => Math.hypot(map.xs[i] - x, map.ys[i] - y))) };
}

function middles(map) {
  // The middle of each group: of its points the one nearest to their median, so that a name lies on its group. A group
  // that is strewn over the whole map gets no name there. Of large groups a sample tells.
  const facet = map.facets[0];
  if (facet.kind !== "groups" || facet.names.length > MOST_NAMES) return [];
  const lists = facet.names.map(() => []);
  const steps = facet.counts.map((count) => Math.max(1, Math.floor(count / MOST_SAMPLED)));
  const seen = new Uint32Array(lists.length);
  for (let i = 0; i < map.n; i += 1) {
    const group = map.codes[i];
    if (group >= lists.length || !map.placed[i]) continue;
    if (seen[group] % steps[group] === 0) lists[group].push(i);
    seen[group] += 1;
  }
  const every = Math.max(1, Math.floor(map.n / (4 * MOST_SAMPLED)));
  const all = [];
  for (let i = 0; i < map.n; i += every) if (map.placed[i] && map.codes[i] < lists.length) all.push(i);
  const everywhere = all.length ? spreadOf(map, all).reach : 0;
  return lists.map((rows, group) => {
    if (!rows.length) return null;
    const { x, y, reach } = spreadOf(map, rows);
    if (reach > COMPACT * everywhere) return null;
    let best = rows[0];
    for (const i of rows) {
      if ((map.xs[i] - x) ** 2 + (map.ys[i] - y) ** 2 < (map.xs[best] - x) ** 2 + (map.ys[best] - y) ** 2) best = i;
    }
    return { group, row: best, size: facet.counts[group] };
  });
}

function toMap(map, [sx, sy]) {
  return [(sx - map.width / 2) / map.view.scale + map.view.x, (map.height / 2 - sy) / map.view.scale + map.view.y];
}

function fingerGap(fingers) {
  const [a, b] = [...fingers.values()];
  return a && b ? Math.max(10, Math.hypot(a[0] - b[0], a[1] - b[1])) : 1;
}

function whereItLooks(map) {
  // As the address says it (map_address.py); null while all is in sight.
  const { view, fit, aspect } = map;
  if (view.scale === fit.scale && view.x === fit.x && view.y === fit.y) return null;
  return [view.x / aspect[0], view.y / aspect[1], view.scale / fit.scale].map((v) => Number(v.toPrecision(5))).join(",");
}

function lookAt(map, [x, y, zoom]) {
  map.view = { scale: map.fit.scale * zoom, x: x * map.aspect[0], y: y * map.aspect[1] };
}

function zoomed(map, sx, sy, factor) {
  // The view nearer by a factor, with the point under (sx, sy) where it was.
  const [x, y] = toMap(map, [sx, sy]);
  const scale = Math.min(map.fit.scale * NEAREST, Math.max(map.fit.scale * FARTHEST, map.view.scale * factor));
  return { scale, x: x - (sx - map.width / 2) / scale, y: y - (map.height / 2 - sy) / scale };
}

function toData(map, [x, y]) {
  // A place in map units in the units of the points.
  const { low, span } = map.places.header;
  return [low[0] + (x / map.aspect[0]) * span[0], low[1] + (y / map.aspect[1]) * span[1]];
}

function nextPoint(map, from, dx, dy) {
  // The row that an arrow key leads to: near, and more ahead than aside; the same row where there is none.
  const { xs, ys, shown, n } = map;
  let [found, best] = [from, Infinity];
  for (let i = 0; i < n; i += 1) {
    if (!shown[i] || i === from) continue;
    const along = (xs[i] - xs[from]) * dx + (ys[i] - ys[from]) * dy;
    const across = Math.abs((xs[i] - xs[from]) * dy) + Math.abs((ys[i] - ys[from]) * dx);
    if (along > 0 && across <= along && along + 2 * across < best) {
      best = along + 2 * across;
      found = i;
    }
  }
  return found;
}

function combined(before, found, how) {
  // The selection after an outline: new, added to or taken from the one before; null where nothing is left.
  if (how !== "new" && before) {
    for (let i = 0; i < found.length; i += 1) found[i] = how === "add" ? found[i] | before[i] : before[i] & (1 - found[i]);
  }
  return found.includes(1) ? found : null;
}

function underMask(map, filled, width, height) {
  // 1 for every drawn point whose pixel of a mask (RGBA, width x height) is opaque.
  const inside = new Uint8Array(map.n);
  const { xs, ys, shown, view, n } = map;
  const left = map.width / 2 - view.x * view.scale;
  const top = map.height / 2 + view.y * view.scale;
  for (let i = 0; i < n; i += 1) {
    if (!shown[i]) continue;
    const x = Math.floor(left + xs[i] * view.scale);
    const y = Math.floor(top - ys[i] * view.scale);
    if (x >= 0 && y >= 0 && x < width && y < height && filled[((y * width + x) << 2) + 3] > 127) inside[i] = 1;
  }
  return inside;
}
