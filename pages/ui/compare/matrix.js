// A contingency of two clusterings as cells that can be clicked. Sends {kind: cell, row, column}, {kind: row, row} or
// {kind: column, column}.

function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function headOf({ name, colour, size }, kind, at, send) {
  const head = make("button", `of-${kind}`);
  head.title = `${name}: ${size} images. Click selects them.`;
  const dot = document.createElement("i");
  dot.style.background = colour;
  head.append(dot, make("span", "", name));
  head.addEventListener("click", () => send({ kind, [kind]: at }));
  return head;
}

function cellOf(state, r, c) {
  const { rows, columns, counts, numbers } = state.data;
  const count = counts[r][c];
  const share = rows[r].size ? count / rows[r].size : 0;
  const cell = make("button", `cell${count ? "" : " none"}${share > 0.55 ? " strong" : ""}`, numbers && count ? count : "");
  cell.style.setProperty("--share", share.toFixed(3));
  cell.title = `A ${rows[r].name} and B ${columns[c].name}: ${count} images, ${(100 * share).toFixed(0)} % of the row`;
  cell.setAttribute("aria-label", cell.title);
  if (count) cell.addEventListener("click", () => state.send({ kind: "cell", row: r, column: c }));
  else cell.disabled = true;
  return cell;
}

function draw(box, state) {
  const { rows, columns, order } = state.data;
  box.style.setProperty("--columns", columns.length);
  const cells = [make("span", "corner", "A \u2193  B \u2192")];
  order.forEach((c) => cells.push(headOf(columns[c], "column", c, state.send)));
  rows.forEach((row, r) => {
    cells.push(headOf(row, "row", r, state.send));
    order.forEach((c) => cells.push(cellOf(state, r, c)));
  });
  box.replaceChildren(...cells);
}

const states = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".matrix");
  const state = states.get(box) || {};
  states.set(box, state);
  state.send = (event) => setTriggerValue("done", event);
  const text = JSON.stringify(data);
  if (data && text !== state.text) {
    Object.assign(state, { data, text });
    draw(box, state);
  }
}
