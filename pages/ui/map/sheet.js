// Receives places, colours and thumbnails and hands them to the maps of the page. They come apart from the map itself, so
// that a new colour does not send the places again, and a selection sends neither.

const KEPT = { places: 4, groups: 12, scale: 12, pictures: 4 };

function keep(store, name, value, most) {
  store.delete(name);
  if (store.size >= most) store.delete(store.keys().next().value);
  store.set(name, value);
}

function heard({ parentElement, setTriggerValue }) {
  if (parentElement.querySelector("[data-asks]")) shared.ask = (name, rows) => setTriggerValue("ask", { name, rows });
  if (parentElement.querySelector("[data-views]")) shared.look = (view) => setTriggerValue("view", view);
}

export default async function (component) {
  heard(component);
  const { data } = component;
  if (!data) return;
  const { header, read } = unpack(data);
  const { kind, name } = header;
  if (kind === "pictures") await takePictures(header, read);
  else {
    if (shared.blocks.has(name)) return;
    const parts = Object.fromEntries(Object.keys(header.sections).map((section) => [section, read(section)]));
    keep(shared.blocks, name, { header, parts }, KEPT.places + KEPT.groups);
  }
  shared.listeners.forEach((onBlock) => onBlock(kind, name));
}

async function takePictures(header, read) {
  const { mime, name, rows, side, columns, sharp } = header;
  if (rows ? rows.every((row) => shared.parts.get(name)?.has(row)) : shared.sheets.has(name)) return;
  const sheet = { bitmap: await createImageBitmap(new Blob([read("file")], { type: mime })), side, columns, sharp };
  if (!rows) {
    keep(shared.sheets, name, sheet, KEPT.pictures);
    return;
  }
  if (!shared.parts.has(name)) keep(shared.parts, name, new Map(), KEPT.pictures);
  const known = shared.parts.get(name);
  if (known.size > 4000) known.clear();
  rows.forEach((row, place) => known.set(row, { sheet, place }));
}
