// What lies over the points: pictures when zoomed in, names of the groups, the outline being drawn, the ring around one
// point, and the card that follows the pointer.

const MOST_PICTURES = 260;

function paintOverlay(map) {
  const context = map.over.getContext("2d");
  context.setTransform(map.ratio, 0, 0, map.ratio, 0, 0);
  context.clearRect(0, 0, map.width, map.height);
  if (map.showPictures) paintPictures(map, context);
  paintNames(map, context);
  if (map.outline.length > 1) paintOutline(map, context);
  if (map.focus >= 0 && map.placed[map.focus]) paintRing(map, context, map.focus, 2.5, map.theme.accent);
  if (map.hover >= 0) paintRing(map, context, map.hover, 1.5, map.theme.ink);
}

function visibleRows(map, most) {
  // Rows in sight, or null when there are more than can be shown as pictures.
  if (map.inSight > most * 2) return null;
  const rows = [];
  const [x0, x1, y0, y1] = sight(map, 0);
  for (let at = 0; at < map.order.length; at += 1) {
    const i = map.order[at];
    if (!map.shown[i] || map.xs[i] < x0 || map.xs[i] > x1 || map.ys[i] < y0 || map.ys[i] > y1) continue;
    rows.push(i);
    if (rows.length > most) return null;
  }
  return rows;
}

function pictureOf(map, i) {
  // Where the thumbnail of a row is: {sheet, place}, or null while it is not here.
  if (map.sheet) return { sheet: map.sheet, place: i };
  return shared.parts.get(map.header.pictures)?.get(i) || null;
}

function askFor(map, who, rows) {
  // Thumbnails of a large map are sent when they are looked at, by the card or in the view: the newest request of each
  // counts, once it has lasted a moment.
  if (map.sheet || !map.header.pictures) return;
  map.requests = { ...map.requests, [who]: rows };
  clearTimeout(map.requestTimer);
  map.requestTimer = setTimeout(() => {
    const lacking = [...new Set(Object.values(map.requests).flat())].filter((i) => !pictureOf(map, i));
    if (lacking.length) shared.ask?.(map.header.pictures, lacking.slice(0, MOST_PICTURES));
  }, 120);
}

function paintPictures(map, context) {
  const rows = visibleRows(map, MOST_PICTURES);
  map.picturesDrawn = Boolean(rows && rows.length);
  if (!map.picturesDrawn) return;
  const room = Math.sqrt((map.width * map.height) / rows.length);
  const taken = new Set(); // a picture stands only where none is yet; the others stay points
  const lacking = [];
  for (const i of rows) {
    if (map.selected && !map.selected[i]) continue;
    const found = pictureOf(map, i);
    if (!found) {
      lacking.push(i);
      continue;
    }
    const [w, h] = fitted(found.sheet.side, Math.max(24, Math.min(72, 0.7 * room)));
    const [x, y] = toScreen(map, i);
    if (!claim(taken, x, y, w, h)) continue;
    context.imageSmoothingEnabled = !found.sheet.sharp;
    context.fillStyle = colourOf(map, i);
    context.fillRect(x - w / 2 - 1.5, y - h / 2 - 1.5, w + 3, h + 3);
    drawTile(context, found, x - w / 2, y - h / 2, w, h);
  }
  askFor(map, "view", lacking);
}

function drawTile(context, { sheet, place }, x, y, w, h) {
  const [tw, th] = sheet.side;
  const [column, row] = [place % sheet.columns, Math.floor(place / sheet.columns)];
  context.drawImage(sheet.bitmap, column * tw, row * th, tw, th, x, y, w, h);
}

function colourOf(map, i) {
  const c = 3 * map.codes[i];
  return `rgb(${map.table[c]}, ${map.table[c + 1]}, ${map.table[c + 2]})`;
}

function paintNames(map, context) {
  const facet = map.facets[0];
  context.font = `600 13px ${map.theme.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  const taken = [];
  const names = map.middles.filter((m) => m && !map.hidden.has(m.group)).sort((a, b) => b.size - a.size);
  for (const { group, row } of names) {
    const [x, y] = toScreen(map, row);
    const text = facet.names[group];
    const half = context.measureText(text).width / 2 + 4;
    if (x < half || y < 10 || x > map.width - half || y > map.height - 10) continue;
    if (taken.some((box) => Math.abs(box[0] - x) < box[2] + half && Math.abs(box[1] - y) < 16)) continue;
    taken.push([x, y, half]);
    context.strokeStyle = map.theme.groundText;
    context.lineWidth = 4;
    context.strokeText(text, x, y);
    context.fillStyle = map.theme.ink;
    context.fillText(text, x, y);
  }
}

function paintOutline(map, context) {
  context.beginPath();
  map.outline.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
  context.fillStyle = map.theme.accentFaint;
  context.fill("evenodd");
  context.strokeStyle = map.theme.accent;
  context.lineWidth = 1.5;
  context.stroke();
}

function paintRing(map, context, i, width, colour) {
  const [x, y] = toScreen(map, i);
  context.beginPath();
  context.arc(x, y, pointRadius(map) + 3.5, 0, 2 * Math.PI);
  context.strokeStyle = map.theme.groundText;
  context.lineWidth = width + 2;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

function paintCard(map) {
  const i = map.hover;
  map.card.hidden = i < 0;
  if (i < 0) return;
  const picture = map.card.querySelector("canvas");
  const found = pictureOf(map, i);
  picture.hidden = !found;
  if (found) {
    const [w, h] = fitted(found.sheet.side, 112);
    picture.width = Math.round(w * map.ratio);
    picture.height = Math.round(h * map.ratio);
    picture.style.width = `${w}px`;
    picture.style.height = `${h}px`;
    const context = picture.getContext("2d");
    context.imageSmoothingEnabled = !found.sheet.sharp;
    drawTile(context, found, 0, 0, picture.width, picture.height);
  } else askFor(map, "card", [i]);
  const words = map.card.querySelector(".words");
  words.replaceChildren();
  for (const [title, value, colour] of [...map.facets.map((facet, at) => hoverLine(map, facet, at, i)), ["image", String(map.ids[i]), null]]) {
    const line = document.createElement("div");
    const mark = document.createElement("i");
    mark.style.background = colour || "transparent";
    const name = document.createElement("span");
    name.textContent = title;
    line.append(mark, name, ` ${value}`);
    words.append(line);
  }
  const [x, y] = toScreen(map, i);
  const { offsetWidth: w, offsetHeight: h } = map.card;
  map.card.style.left = `${x + 16 + w > map.width ? Math.max(2, x - w - 16) : x + 16}px`;
  map.card.style.top = `${Math.max(2, Math.min(map.height - h - 2, y - h / 2))}px`;
}

function hoverLine(map, facet, at, i) {
  if (facet.kind === "scale") {
    const value = facet.parts.values[i];
    return [facet.title, Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "–", at ? null : colourOf(map, i)];
  }
  const code = facet.parts.codes[i];
  const known = code < facet.names.length;
  return [facet.title, known ? facet.names[code] : "–", known ? facet.colours[code] : null];
}
