// What maps share on a page: places, colours and thumbnails, each sent once under a name (payload.py).

const KEPT = { places: 4, groups: 12, scale: 12, pictures: 4 };
const shared = (window.viewloomMaps ??= { blocks: new Map(), sheets: new Map(), parts: new Map(), listeners: new Set() });

function keep(store, name, value, most) {
  store.delete(name);
  if (store.size >= most) store.delete(store.keys().next().value);
  store.set(name, value);
}
