const assert = require("node:assert/strict");
const { test } = require("node:test");
const { load } = require("./scripts.js");

const js = load("kit/blocks.js", "map/points.js");
const plain = (array) => Array.from(array); // arrays of the other context have other prototypes

function mapOf(points, more = {}) {
  const n = points.length;
  const fit = { scale: 100, x: 0.5, y: 0.5 };
  return {
    n,
    xs: Float32Array.from(points, ([x]) => x),
    ys: Float32Array.from(points, ([, y]) => y),
    shown: new Uint8Array(n).fill(1),
    placed: new Uint8Array(n).fill(1),
    width: 200,
    height: 200,
    view: { ...fit },
    fit,
    aspect: [1, 1],
    ...more,
  };
}

test("a place on the map and its place on the screen are each other's reverse", () => {
  const map = mapOf([[0.2, 0.9]], { view: { scale: 240, x: 0.3, y: 0.7 } });
  const [x, y] = js.toMap(map, js.toScreen(map, 0));
  assert.ok(Math.abs(x - 0.2) < 1e-6 && Math.abs(y - 0.9) < 1e-6);
});

test("up on the screen is up on the map", () => {
  const map = mapOf([[0.5, 0.4], [0.5, 0.6]]);
  assert.ok(js.toScreen(map, 1)[1] < js.toScreen(map, 0)[1]);
});

test("zooming keeps the point under the pointer where it is", () => {
  const map = mapOf([[0.5, 0.5]]);
  const before = plain(js.toMap(map, [40, 150]));
  map.view = js.zoomed(map, 40, 150, 3);
  assert.equal(map.view.scale, 300);
  plain(js.toMap(map, [40, 150])).forEach((value, i) => assert.ok(Math.abs(value - before[i]) < 1e-9));
});

test("nobody zooms farther than half the whole or nearer than 400 times", () => {
  const map = mapOf([[0.5, 0.5]]);
  assert.equal(js.zoomed(map, 100, 100, 1e9).scale, 400 * map.fit.scale);
  assert.equal(js.zoomed(map, 100, 100, 1e-9).scale, 0.5 * map.fit.scale);
});

test("the nearest drawn point within reach is hit, and no hidden one", () => {
  const map = mapOf([[0.5, 0.5], [0.52, 0.5], [0.9, 0.9]]);
  assert.equal(js.nearestPoint(map, 100, 100, 14), 0);
  map.shown[0] = 0;
  assert.equal(js.nearestPoint(map, 101, 100, 14), 1);
  assert.equal(js.nearestPoint(map, 10, 100, 14), -1);
});

test("an arrow key goes to a point ahead, not to one aside or behind", () => {
  const map = mapOf([[0.5, 0.5], [0.6, 0.51], [0.55, 0.9], [0.2, 0.5]]);
  assert.equal(js.nextPoint(map, 0, 1, 0), 1);
  assert.equal(js.nextPoint(map, 0, -1, 0), 3);
  assert.equal(js.nextPoint(map, 0, 0, 1), 2);
  assert.equal(js.nextPoint(map, 1, 1, 0), 1);
});

test("an outline takes the drawn points whose pixel it covers", () => {
  const map = mapOf([[0.5, 0.5], [0.1, 0.5], [0.5, 0.51]]);
  map.shown[2] = 0;
  const mask = new Uint8Array(4 * 200 * 200);
  for (let y = 90; y < 110; y += 1) for (let x = 90; x < 110; x += 1) mask[4 * (y * 200 + x) + 3] = 255;
  assert.deepEqual(plain(js.underMask(map, mask, 200, 200)), [1, 0, 0]);
});

test("a selection is replaced, grown and shrunk, and none is left as none", () => {
  const bits = (...values) => Uint8Array.from(values);
  assert.deepEqual(plain(js.combined(bits(1, 1, 0), bits(0, 1, 1), "new")), [0, 1, 1]);
  assert.deepEqual(plain(js.combined(bits(1, 1, 0), bits(0, 1, 1), "add")), [1, 1, 1]);
  assert.deepEqual(plain(js.combined(bits(1, 1, 0), bits(0, 1, 1), "remove")), [1, 0, 0]);
  assert.deepEqual(plain(js.combined(null, bits(0, 1, 0), "remove")), [0, 1, 0]);
  assert.equal(js.combined(bits(1, 0, 0), bits(1, 0, 0), "remove"), null);
});

test("a place on the map is told in the units of the points", () => {
  const map = mapOf([], { aspect: [1, 0.5], places: { header: { low: [-3, 10], span: [6, 3] } } });
  assert.deepEqual(plain(js.toData(map, [0.5, 0.25])), [0, 11.5]);
});

test("bits become one byte a row", () => {
  assert.deepEqual(plain(js.spread(Uint8Array.from([0b00000101, 0b1]), 9)), [1, 0, 1, 0, 0, 0, 0, 0, 1]);
});

test("a scale has 255 shades and one for what is missing", () => {
  const values = Float32Array.from([-5, 0, 0.5, 1, 9, NaN]);
  assert.deepEqual(plain(js.shades({ parts: { values }, low: 0, high: 1 })), [0, 0, 127, 254, 254, 255]);
});

test("a ramp ends in its first and last colour", () => {
  const table = js.rampOf(["#000000", "#ff8000"]);
  assert.deepEqual(plain(table.slice(0, 3)), [0, 0, 0]);
  assert.deepEqual(plain(table.slice(3 * 254, 3 * 254 + 3)), [255, 128, 0]);
});

test("colours are read as hex and as rgb, anything else is grey", () => {
  assert.deepEqual(plain(js.rgbOf(" #0d9488 ")), [13, 148, 136]);
  assert.deepEqual(plain(js.rgbOf("rgb(1, 2, 3)")), [1, 2, 3]);
  assert.deepEqual(plain(js.rgbOf("teal")), [128, 128, 128]);
});

test("the order of drawing is a shuffle, the same every time", () => {
  const order = plain(js.drawOrder(500));
  assert.deepEqual(order, plain(js.drawOrder(500)));
  assert.notDeepEqual(order, [...order].sort((a, b) => a - b));
  assert.deepEqual([...order].sort((a, b) => a - b), Array.from({ length: 500 }, (_, i) => i));
});

test("a name lies on a point of its group, and a strewn group has none there", () => {
  const points = [];
  for (let i = 0; i < 40; i += 1) points.push([0.1 + 0.001 * (i % 7), 0.1 + 0.001 * (i % 5)]);
  for (let i = 0; i < 40; i += 1) points.push([(i * 0.37) % 1, (i * 0.61) % 1]);
  const codes = Uint8Array.from(points, (_, i) => (i < 40 ? 0 : 1));
  const facets = [{ kind: "groups", names: ["tight", "strewn"], counts: [40, 40] }];
  const [tight, strewn] = js.middles(mapOf(points, { codes, facets }));
  assert.ok(tight.row < 40);
  assert.equal(strewn, null);
});

test("pictures may touch but not lie on each other", () => {
  const taken = new Set();
  assert.equal(js.claim(taken, 100, 100, 40, 40), true);
  assert.equal(js.claim(taken, 110, 105, 40, 40), false);
  assert.equal(js.claim(taken, 160, 100, 40, 40), true);
});

test("a picture keeps its shape", () => {
  assert.deepEqual(plain(js.fitted([20, 10], 60)), [60, 30]);
});

test("the view is told only when it is not the whole, and a link brings it back", () => {
  const map = mapOf([[0.5, 0.5]]);
  assert.equal(js.whereItLooks(map), null);
  map.view = { scale: 250, x: 0.25, y: 0.75 };
  assert.equal(js.whereItLooks(map), "0.25,0.75,2.5");
  const again = mapOf([[0.5, 0.5]]);
  js.lookAt(again, [0.25, 0.75, 2.5]);
  assert.deepEqual({ ...again.view }, map.view);
});

test("numbers are grouped by thousands", () => {
  assert.equal(js.grouped(1234567), "1\u202f234\u202f567");
  assert.equal(js.grouped(999), "999");
});
