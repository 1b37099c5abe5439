// Points as pixels, without a graphics card: anti-aliased discs written straight into the image while they are few, and
// the density of each pixel when they are many, so that a million points take a few hundredths of a second.

const SUB = 3; // places within a pixel that a disc can start at
const MOST_DISCS = 30000; // points in sight; more are drawn as density
const FAINTEST = 0.3; // opacity of a pixel with one point among many: nothing that is there is invisible

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

function paintPoints(map) {
  const { base } = map;
  const context = base.getContext("2d", { willReadFrequently: true });
  if (!map.frame || map.frame.width !== base.width || map.frame.height !== base.height) {
    map.frame = context.createImageData(base.width, base.height);
  }
  const ground = map.theme.ground;
  new Uint32Array(map.frame.data.buffer).fill((255 << 24) | (ground[2] << 16) | (ground[1] << 8) | ground[0]);
  map.inSight = countInSight(map);
  map.dense = map.inSight > MOST_DISCS;
  if (map.dense) paintDensity(map);
  else paintDiscs(map);
  context.putImageData(map.frame, 0, 0);
}

function paintDiscs(map) {
  const radius = pointRadius(map) * map.ratio;
  const normal = discs(radius);
  const opacity = map.n > 20000 ? 0.55 : map.n > 4000 ? 0.75 : 0.88;
  if (map.selected) {
    discPass(map, false, normal, radius, 0.16);
    discPass(map, true, discs(radius + 0.6 * map.ratio), radius, 0.95);
  } else discPass(map, null, normal, radius, opacity);
}

function discPass(map, only, stamps, radius, strength) {
  const { base, ratio, view, xs, ys, codes, table, shown, order, selected } = map;
  const pixels = map.frame.data;
  const width = base.width;
  const height = base.height;
  const scale = view.scale * ratio;
  const left = width / 2 - view.x * scale;
  const top = height / 2 + view.y * scale;
  const edge = radius + 2;
  for (let at = 0; at < order.length; at += 1) {
    const i = order[at];
    if (!shown[i] || (only !== null && (selected[i] === 1) !== only)) continue;
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
}

function paintDensity(map) {
  const size = map.base.width * map.base.height;
  if (!map.sums || map.sums.length !== 4 * size) map.sums = new Float32Array(4 * size);
  if (map.selected) {
    densityPass(map, false, 0.28);
    densityPass(map, true, 1);
  } else densityPass(map, null, 1);
}

function densityPass(map, only, strength) {
  // Every point adds 1 and its colour to its pixels: the mean colour is drawn, as strong as the logarithm of their number.
  const { base, ratio, view, xs, ys, codes, table, shown, selected, sums, n } = map;
  sums.fill(0);
  const width = base.width;
  const height = base.height;
  const block = Math.max(1, Math.round(ratio * (map.inSight < 250000 ? 2 : 1)));
  const scale = view.scale * ratio;
  const left = width / 2 - view.x * scale - (block - 1) / 2;
  const top = height / 2 + view.y * scale - (block - 1) / 2;
  for (let i = 0; i < n; i += 1) {
    if (!shown[i] || (only !== null && (selected[i] === 1) !== only)) continue;
    const x = Math.floor(left + xs[i] * scale);
    const y = Math.floor(top - ys[i] * scale);
    if (x < 0 || y < 0 || x + block > width || y + block > height) continue;
    const c = 3 * codes[i];
    for (let dy = 0; dy < block; dy += 1) {
      for (let p = ((y + dy) * width + x) << 2, end = p + 4 * block; p < end; p += 4) {
        sums[p] += table[c];
        sums[p + 1] += table[c + 1];
        sums[p + 2] += table[c + 2];
        sums[p + 3] += 1;
      }
    }
  }
  mixIn(map, strength);
}

function mixIn(map, strength) {
  const { sums } = map;
  const pixels = map.frame.data;
  const full = Math.log1p(manyPoints(sums));
  const steps = Float32Array.from({ length: 1024 }, (_, c) => strength * Math.min(1, FAINTEST + ((1 - FAINTEST) * Math.log1p(c)) / full));
  for (let p = 0; p < sums.length; p += 4) {
    const count = sums[p + 3];
    if (!count) continue;
    const a = steps[Math.min(1023, count)];
    pixels[p] += (sums[p] / count - pixels[p]) * a;
    pixels[p + 1] += (sums[p + 1] / count - pixels[p + 1]) * a;
    pixels[p + 2] += (sums[p + 2] / count - pixels[p + 2]) * a;
  }
}

function manyPoints(sums) {
  // The number of points that 1 % of the covered pixels exceed, at least 2.
  const histogram = new Uint32Array(1024);
  let covered = 0;
  for (let p = 3; p < sums.length; p += 4) {
    if (!sums[p]) continue;
    histogram[Math.min(1023, sums[p])] += 1;
    covered += 1;
  }
  let above = 0;
  for (let c = 1023; c > 2; c -= 1) {
    above += histogram[c];
    if (above > covered / 100) return c;
  }
  return 2;
}

function insideOutline(map, outline) {
  // 1 for every drawn point inside the polygon (even-odd), to the pixel; the page counts again, in full precision.
  const [width, height] = [Math.ceil(map.width), Math.ceil(map.height)];
  const mask = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  mask.beginPath();
  outline.forEach(([sx, sy], i) => (i ? mask.lineTo(sx, sy) : mask.moveTo(sx, sy)));
  mask.closePath();
  mask.fill("evenodd");
  const filled = mask.getImageData(0, 0, width, height).data;
  return underMask(map, filled, width, height);
}
