// Scripts of the pages as a browser would see them: files one behind the other, without a screen.

const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const UI = path.join(__dirname, "..", "..", "..", "pages", "ui");

function load(...files) {
  // Everything that these files define; they must not touch the document.
  const context = vm.createContext({ TextDecoder, Uint8Array, Uint16Array, Uint32Array, Float32Array, DataView });
  vm.runInContext(files.map((file) => fs.readFileSync(path.join(UI, file), "utf8")).join("\n"), context);
  return context;
}

module.exports = { load };
