// Receives the thumbnails of a map and hands them to it. They come apart from the points, so that the map is there first
// and a new colour does not send the pictures again.

export default async function ({ data }) {
  const shared = (window.viewloomPictures ??= { sheets: new Map(), listeners: new Set() });
  if (!data) return;
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  if (shared.sheets.has(header.name)) return;
  const [start, size] = header.sections.file;
  const from = 4 + length + start;
  const bitmap = await createImageBitmap(new Blob([bytes.slice(from, from + size)], { type: header.mime }));
  if (shared.sheets.size >= 3) shared.sheets.delete(shared.sheets.keys().next().value);
  shared.sheets.set(header.name, { bitmap, side: header.side, columns: header.columns, sharp: header.sharp });
  shared.listeners.forEach((redrawn) => redrawn());
}
