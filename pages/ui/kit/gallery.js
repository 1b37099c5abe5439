// Images cut from one picture. Data: one block (blocks.js) with the image file.
// Sends back {kind: image, id, how}, {kind: head, name}, {kind: rename, name, title} or {kind: edit, name}.

const galleries = new WeakMap();

function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function tile(state, row, at, place) {
  const { header, url } = state;
  const { able, across, count, ratio, sharp } = header;
  const element = make(able ? "button" : "div", `tile${able ? " able" : ""}`);
  const id = row.ids[at];
  element.title = row.tips[at];
  element.dataset.id = id;
  if (!able) element.setAttribute("role", "img");  // a name without a role is not read
  element.setAttribute("aria-label", row.tips[at]);
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
  if (row.captions.length) element.append(make("span", "under", row.captions[at]));
  if (able) {
    element.addEventListener("click", (event) => {
      state.send({ kind: "image", id, how: event.shiftKey ? "add" : event.altKey ? "remove" : "new" });
    });
  }
  return element;
}

function head(state, row) {
  const able = state.header.able && row.name !== "";
  const element = make(able ? "button" : "div", `head${able ? " able" : ""}`);
  const title = make("b", "");
  if (row.colour) {
    const mark = document.createElement("i");
    mark.style.background = row.colour;
    title.append(mark);
  }
  title.append(row.title);
  element.append(title, ...row.lines.map((line) => make("span", "", line)));
  if (row.said) element.append(make("span", "said", row.said));
  element.title = [row.title, ...row.lines, row.said, ...row.evidence].filter(Boolean).join("\n");
  if (able) element.addEventListener("click", () => state.send({ kind: "head", name: row.name }));
  if (!row.editable) return element;
  const box = make("div", "headbox");
  const acts = make("div", "acts");
  acts.append(
    act("Rename", "M4 16l1-4 8-8 3 3-8 8zM11 6l3 3", () => rename(state, row, box, element)),
    act("Colour, note, exclude", "M4 10h.01M10 10h.01M16 10h.01", () => state.send({ kind: "edit", name: row.name })),
  );
  box.append(element, acts);
  return box;
}

function act(title, path, done) {
  const button = document.createElement("button");
  button.title = title;
  button.setAttribute("aria-label", title);
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  icon.setAttribute("viewBox", "0 0 20 20");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  line.setAttribute("stroke-linecap", "round");
  if (path.includes("h.01")) line.setAttribute("stroke-width", "3");
  icon.append(line);
  button.append(icon);
  button.addEventListener("click", done);
  return button;
}

function rename(state, row, box, element) {
  // The title becomes a field: Enter keeps what was written, Escape leaves it as it was.
  const field = document.createElement("input");
  field.value = row.title;
  field.maxLength = 80;
  field.setAttribute("aria-label", `Name of ${row.title}`);
  let over = false;
  const end = (keep) => {
    if (over) return;
    over = true;
    const title = field.value.trim();
    field.replaceWith(element);
    if (keep && title !== row.title) state.send({ kind: "rename", name: row.name, title });
  };
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") end(true);
    if (event.key === "Escape") end(false);
  });
  field.addEventListener("blur", () => end(true));
  element.replaceWith(field);
  field.select();
}

function show(box, state) {
  const { header } = state;
  box.className = `gallery${header.strips ? " strips" : ""}${header.columns ? " fixed" : ""}`;
  box.style.setProperty("--tile", `${header.tile}px`);
  box.style.setProperty("--columns", header.columns || 1);
  box.style.setProperty("--under", header.rows.some((row) => row.captions.length) ? "18px" : "2px");
  let place = 0;
  const drawn = header.rows.map((row) => {
    const line = make("div", `row${row.faded ? " faded" : ""}`);
    if (row.title) line.append(head(state, row));
    const tiles = make("div", "tiles");
    row.ids.forEach((_, at) => tiles.append(tile(state, row, at, place + at)));
    place += row.ids.length;
    line.append(tiles);
    return line;
  });
  box.replaceChildren(...drawn);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".gallery");
  const state = galleries.get(box) || {};
  galleries.set(box, state);
  state.send = (event) => setTriggerValue("done", event);
  if (data && data !== state.data) {
    if (state.url) URL.revokeObjectURL(state.url);
    const { header, read } = unpack(data);
    Object.assign(state, { header, data, url: URL.createObjectURL(new Blob([read("file")], { type: header.mime })) });
    show(box, state);
  }
  return () => {
    if (state.url) URL.revokeObjectURL(state.url);
    galleries.delete(box);
  };
}
