// node read_block.js FILE: the block in a file, as the browser reads it, as JSON. Places are decoded too.

const fs = require("node:fs");
const { load } = require("./scripts.js");

const { unpack, decodePlaces } = load("kit/blocks.js", "map/points.js");
const { header, read } = unpack(Uint8Array.from(fs.readFileSync(process.argv[2])));
const parts = Object.fromEntries(Object.keys(header.sections).map((name) => [name, read(name)]));
const found = { header, parts: Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, [...part]])) };
if (header.kind === "places") {
  const { xs, ys, ids, placed } = decodePlaces({ header, parts });
  Object.assign(found, { xs: [...xs], ys: [...ys], ids: [...ids], placed: [...placed] });
}
process.stdout.write(JSON.stringify(found));
