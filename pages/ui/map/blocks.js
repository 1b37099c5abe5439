// What maps share on a page: places, colours and thumbnails, each sent once under a name (map_wire.py).

const TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };
const KEPT = { places: 4, groups: 12, scale: 12, pictures: 4 };
const shared = (window.viewloomMaps ??= { blocks: new Map(), sheets: new Map(), parts: new Map(), listeners: new Set() });

function unpack(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const from = 4 + length;
  return {
    header,
    read: (name) => {
      const [start, size, kind] = header.sections[name];
      const block = bytes.slice(from + start, from + start + size);
      return TYPES[kind] ? new TYPES[kind](block.buffer) : block;
    },
  };
}

function keep(store, name, value, most) {
  store.delete(name);
  if (store.size >= most) store.delete(store.keys().next().value);
  store.set(name, value);
}
