// The map of an embedding. Its data is one small block of bytes that names the blocks it shows (map_wire.py); it sends
// back what was done, never the points: {kind: lasso | box, outline, how, hidden} | {kind: point, row} |
// {kind: group, group, how, hidden} | {kind: clear}.

const maps = new WeakMap();

function take(map, data) {
  const { header, read } = unpack(data);
  map.asked = { header, selected: header.sections.selected ? read("selected") : null };
  settle(map);
}

function settle(map) {
  // Shows what was asked for as soon as every block it names has come.
  if (!map.asked) return;
  const { header, selected } = map.asked;
  const [places, ...facets] = [header.places, ...header.facets].map((name) => shared.blocks.get(name));
  if (!places || facets.some((facet) => !facet)) return;
  map.asked = null;
  const fresh = header.places !== map.header?.places;
  const recoloured = fresh || header.facets[0] !== map.header?.facets[0];
  map.header = header;
  map.focus = header.focus;
  map.facets = facets.map((block) => ({ ...block.header, parts: block.parts }));
  if (fresh) arrange(map, places);
  map.selected = selected && spread(selected, map.n);
  map.sheet = shared.sheets.get(header.pictures) || null;
  if (recoloured) recolour(map);
  if (fresh) map.hover = -1;
  paintCard(map);
  measure(map, fresh);
}

function arrange(map, places) {
  Object.assign(map, { places }, decodePlaces(places));
}

function recolour(map) {
  const facet = map.facets[0];
  if (map.coloured !== facet.title) map.hidden = new Set(facet.kind === "groups" ? map.header.hidden : []);
  map.coloured = facet.title;
  map.codes = facet.kind === "scale" ? shades(facet) : facet.parts.codes;
  if (facet.kind === "groups") [...map.hidden].forEach((group) => group >= facet.names.length && map.hidden.delete(group));
  map.middles = middles(map);
  colourTable(map);
  legend(map);
}

function colourTable(map) {
  const facet = map.facets[0];
  if (facet.kind === "scale") {
    map.table = rampOf(facet.ramp);
    map.table.set(map.theme.missing, 255 * 3);
  } else {
    const size = map.codes instanceof Uint8Array ? 256 : 65536;
    map.table = new Uint8Array(size * 3);
    facet.colours.forEach((colour, i) => map.table.set(rgbOf(colour), 3 * i));
    map.table.set(map.theme.missing, (size - 1) * 3);
  }
  filterPoints(map);
}

function filterPoints(map) {
  map.shown = new Uint8Array(map.n);
  for (let i = 0; i < map.n; i += 1) map.shown[i] = map.placed[i] && !map.hidden.has(map.codes[i]) ? 1 : 0;
}

function readTheme(map) {
  const style = getComputedStyle(map.box);
  const read = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  const ground = read("--st-background-color", "#ffffff");
  const dark = rgbOf(ground).reduce((a, b) => a + b) < 384;
  const accent = read("--st-primary-color", "#0f766e");
  map.theme = {
    ground: rgbOf(ground),
    groundText: ground,
    ink: read("--st-text-color", "#14181f"),
    accent,
    accentFaint: `rgba(${rgbOf(accent).join(",")}, 0.12)`,
    missing: dark ? [58, 66, 77] : [205, 211, 218],
    font: read("--st-font", "sans-serif"),
  };
}

function measure(map, fresh) {
  const width = map.stage.clientWidth;
  if (!width || !map.header) return;
  const height = width < 600 ? Math.min(map.header.height, Math.round(width * 0.95)) : map.header.height;
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  map.stage.style.height = `${height}px`;
  Object.assign(map, { width, height, ratio });
  for (const canvas of [map.base, map.over]) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const narrow = width < 600;
  const [left, top] = narrow ? [0, 44] : [44, 0]; // the tools lie there
  const scale = Math.min((width - left - 36) / map.aspect[0], (height - top - 36) / map.aspect[1]);
  const home = { scale, x: map.aspect[0] / 2 - left / 2 / scale, y: map.aspect[1] / 2 + top / 2 / scale };
  map.tools.classList.toggle("across", narrow);
  const atHome = !map.fit || (map.view.scale === map.fit.scale && map.view.x === map.fit.x && map.view.y === map.fit.y);
  if (fresh || atHome || !map.view) map.view = { ...home };
  map.fit = home;
  if (fresh && map.header.at) lookAt(map, map.header.at);
  redraw(map);
}

function reportView(map) {
  // Once it has been still for a moment, so that the address follows.
  clearTimeout(map.reportTimer);
  map.reportTimer = setTimeout(() => {
    if (!map.header || !map.view) return;
    const view = { map: map.header.map, at: whereItLooks(map), hidden: [...map.hidden].sort((a, b) => a - b) };
    const text = JSON.stringify(view);
    const before = map.reportedView ?? JSON.stringify({ ...view, at: map.header.at?.join(",") ?? null, hidden: map.header.hidden });
    map.reportedView = text;
    if (text !== before) shared.look?.(view);
  }, 500);
}

function redraw(map) {
  if (map.due || !map.header || !map.width) return;
  map.due = requestAnimationFrame(() => {
    map.due = 0;
    readTheme(map);
    paintPoints(map);
    paintOverlay(map);
    if (map.hover >= 0) paintCard(map);
    map.box.dataset.ready = map.header.places;
    map.box.dataset.drawn = map.dense ? "density" : "points";
    reportView(map);
  });
}

function legend(map) {
  const facet = map.facets[0];
  const place = map.legend;
  place.replaceChildren();
  const title = document.createElement("span");
  title.className = "title";
  title.textContent = facet.title;
  place.append(title);
  if (facet.kind === "scale") {
    const bar = document.createElement("span");
    bar.className = "ramp";
    bar.style.background = `linear-gradient(90deg, ${facet.ramp.join(",")})`;
    const [low, high] = [facet.low, facet.high].map((v) => String(Number(v.toPrecision(3))));
    place.append(low, bar, high);
    return;
  }
  place.style.maxHeight = facet.names.length > 24 ? "112px" : "86px";
  facet.names.forEach((name, group) => {
    const chip = document.createElement("button");
    chip.title = `${name}: ${grouped(facet.counts[group])} images. Click hides or shows, double-click leaves this one alone, Shift-click selects its images.`;
    const dot = document.createElement("i");
    dot.style.background = facet.colours[group];
    const count = document.createElement("small");
    count.textContent = grouped(facet.counts[group]);
    chip.append(dot, name, count);
    chip.setAttribute("aria-pressed", String(!map.hidden.has(group)));
    chip.addEventListener("click", (event) => (event.shiftKey ? selectGroup(map, group, event) : hide(map, group, false)));
    chip.addEventListener("dblclick", () => hide(map, group, true));
    place.append(chip);
  });
}

function selectGroup(map, group, event) {
  map.send({ kind: "group", group, how: event.altKey ? "remove" : event.ctrlKey || event.metaKey ? "add" : "new", hidden: [] });
}

function hide(map, group, others) {
  const count = map.facets[0].names.length;
  if (others) {
    const alone = map.hidden.size === count - 1 && !map.hidden.has(group);
    map.hidden = new Set(alone ? [] : [...Array(count).keys()].filter((other) => other !== group));
  } else if (!map.hidden.delete(group)) map.hidden.add(group);
  [...map.legend.querySelectorAll("button")].forEach((chip, i) => {
    chip.setAttribute("aria-pressed", String(!map.hidden.has(i)));
  });
  filterPoints(map);
  redraw(map);
}

function build(parent, box) {
  const find = (selector) => box.querySelector(selector);
  const map = {
    box,
    stage: find(".stage"),
    base: find(".points"),
    over: find(".over"),
    card: find(".card"),
    tools: find(".tools"),
    legend: find(".legend"),
    outline: [],
    hidden: new Set(),
    hover: -1,
    focus: -1,
    showPictures: true,
    spaceDown: false,
  };
  readTheme(map);
  listen(map);
  map.tools.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.tool) setTool(map, button.dataset.tool);
    if (button.dataset.zoom === "in") zoomAt(map, map.width / 2, map.height / 2, 1.6);
    if (button.dataset.zoom === "out") zoomAt(map, map.width / 2, map.height / 2, 1 / 1.6);
    if (button.dataset.zoom === "home") zoomHome(map);
    if (button.dataset.toggle === "pictures") {
      map.showPictures = !map.showPictures;
      button.setAttribute("aria-pressed", String(map.showPictures));
      redraw(map);
    }
  });
  setTool(map, "lasso");
  map.seen = new ResizeObserver(() => measure(map, false));
  map.seen.observe(map.stage);
  map.themed = new MutationObserver(() => {
    readTheme(map);
    if (map.header) colourTable(map);
    redraw(map);
  });
  for (const target of [document.documentElement, document.body, parent.host || box]) {
    map.themed.observe(target, { attributes: true, attributeFilter: ["class", "style", "data-theme"] });
  }
  map.onBlock = (kind) => {
    if (kind !== "pictures") {
      settle(map);
      return;
    }
    map.sheet = (map.header && shared.sheets.get(map.header.pictures)) || null;
    redraw(map);
  };
  shared.listeners.add(map.onBlock);
  return map;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".map");
  let map = maps.get(box);
  if (!map) {
    map = build(parentElement, box);
    maps.set(box, map);
  }
  map.send = (event) => setTriggerValue("done", event);
  if (data && data !== map.data) {
    map.data = data;
    take(map, data);
  }
  return () => {
    map.seen.disconnect();
    map.themed.disconnect();
    shared.listeners.delete(map.onBlock);
    maps.delete(box);
  };
}
