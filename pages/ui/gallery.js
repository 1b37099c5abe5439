// Images cut from one picture. Data: 4 bytes length of the header, the header, the image file (map_wire.py).
// Sends back {kind: image, id} or {kind: head, name}.

const galleries = new WeakMap();

function unpack(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const [start, size] = header.sections.file;
  const from = 4 + length + start;
  return { header, url: URL.createObjectURL(new Blob([bytes.slice(from, from + size)], { type: header.mime })) };
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function tile(state, shelf, at, place) {
  const { header, url } = state;
  const { able, across, count, ratio, sharp } = header;
  const element = make(able ? "button" : "div", `tile${able ? " able" : ""}`);
  const id = shelf.ids[at];
  element.title = shelf.tips[at];
  element.dataset.id = id;
  element.setAttribute("aria-label", shelf.tips[at]);
  if (id === header.picked) element.classList.add("picked");
  const cut = make("span", "cut");
  const down = Math.ceil(count / across);
  const share = (index, of) => (of > 1 ? `${(100 * index) / (of - 1)}%` : "0%");
  cut.style.aspectRatio = ratio;
  cut.style.backgroundImage = `url(${url})`;
  cut.style.backgroundSize = `${100 * across}% ${100 * down}%`;
  cut.style.backgroundPosition = `${share(place % across, across)} ${share(Math.floor(place / across), down)}`;
  if (sharp) cut.style.imageRendering = "pixelated";
  element.append(cut);
  if (shelf.captions.length) element.append(make("span", "under", shelf.captions[at]));
  if (able) element.addEventListener("click", () => state.send({ kind: "image", id }));
  return element;
}

function head(state, shelf) {
  const able = state.header.able && shelf.name !== "";
  const element = make(able ? "button" : "div", `head${able ? " able" : ""}`);
  const title = make("b", "");
  if (shelf.colour) {
    const mark = document.createElement("i");
    mark.style.background = shelf.colour;
    title.append(mark);
  }
  title.append(shelf.title);
  element.append(title, ...shelf.lines.map((line) => make("span", "", line)));
  element.title = [shelf.title, ...shelf.lines].join("\n");
  if (able) element.addEventListener("click", () => state.send({ kind: "head", name: shelf.name }));
  return element;
}

function show(box, state) {
  const { header } = state;
  box.className = `gallery${header.strips ? " strips" : ""}${header.columns ? " fixed" : ""}`;
  box.style.setProperty("--tile", `${header.tile}px`);
  box.style.setProperty("--columns", header.columns || 1);
  box.style.setProperty("--under", header.shelves.some((shelf) => shelf.captions.length) ? "18px" : "2px");
  let place = 0;
  const rows = header.shelves.map((shelf) => {
    const row = make("div", "shelf");
    if (shelf.title) row.append(head(state, shelf));
    const tiles = make("div", "tiles");
    shelf.ids.forEach((_, at) => tiles.append(tile(state, shelf, at, place + at)));
    place += shelf.ids.length;
    row.append(tiles);
    return row;
  });
  box.replaceChildren(...rows);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".gallery");
  const state = galleries.get(box) || {};
  galleries.set(box, state);
  state.send = (event) => setTriggerValue("done", event);
  if (data && data !== state.data) {
    if (state.url) URL.revokeObjectURL(state.url);
    Object.assign(state, unpack(data), { data });
    show(box, state);
  }
  return () => {
    if (state.url) URL.revokeObjectURL(state.url);
    galleries.delete(box);
  };
}
