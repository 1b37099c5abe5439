// Blocks of bytes from Python (blocks.py): a header, and sections that are read by name.

const TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };

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
