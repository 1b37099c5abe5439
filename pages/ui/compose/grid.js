// A grid of pictures cut from one image: hover says what was drawn, a click (or Enter) picks a cell.

const instances = new WeakMap();

function build(root, header) {
  root.replaceChildren();
  root.style.setProperty("--columns", header.columns);
  header.heads.forEach((text) => {
    const head = document.createElement("div");
    head.className = "head";
    head.textContent = text;
    root.append(head);
  });
  const cells = [];
  for (let index = 0; index < header.rows * header.columns; index += 1) {
    const cell = document.createElement("div");
    cell.className = "cell" + (header.framed.includes(index) ? " source" : "");
    cell.hidden = index >= header.cells.length;
    cell.dataset.index = index;
    const canvas = document.createElement("canvas");
    const caption = document.createElement("div");
    caption.className = "caption";
    cell.append(canvas, caption);
    root.append(cell);
    cells.push({ cell, canvas, caption });
  }
  return cells;
}

function arrange(state, header) {
  const { root } = state;
  const shape = JSON.stringify([header.rows, header.columns, header.heads, header.framed, header.cells.length]);
  root.style.setProperty("--ratio", `${header.cell[0]} / ${header.cell[1]}`);
  root.style.setProperty("--least", `${header.least}px`);
  root.style.setProperty("--most", `${header.most}px`);
  root.classList.toggle("captions", header.captions);
  if (state.shape !== shape) {
    state.cells = build(root, header);
    state.shape = shape;
  }
  state.header = header;
  label(state);
}

function paint(state) {
  const { header, bitmap, cells } = state;
  if (!bitmap) return;
  const [w, h] = header.cell;
  const ratio = window.devicePixelRatio || 1;
  cells.forEach(({ canvas }, index) => {
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round((width * h) / w));
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = !(header.sharp && width >= w);
    context.imageSmoothingQuality = "high";
    const x = (index % header.columns) * w;
    const y = Math.floor(index / header.columns) * h;
    context.clearRect(0, 0, width, height);
    context.drawImage(bitmap, x, y, w, h, 0, 0, width, height);
  });
}

function label(state) {
  const { header, cells } = state;
  cells.forEach(({ cell, caption }, index) => {
    const said = header.cells[index] || [];
    caption.textContent = said.join(", ");
    cell.dataset.mark = (header.marks && header.marks[index]) || "";
    cell.classList.toggle("picked", header.picked === index);
    const pickable = header.pickable && !header.framed.includes(index);
    cell.tabIndex = pickable ? 0 : -1;
    cell.setAttribute("role", pickable ? "button" : "img");
    const place = header.rows > 1 ? `row ${Math.floor(index / header.columns) + 1}, ` : "";
    const head = header.heads[index % header.columns] || "";
    cell.setAttribute("aria-label", `${place}${head}: ${said.join(", ") || "unchanged"}`);
    cell.classList.toggle("pickable", pickable);
  });
}

function hover(state, tip) {
  const { root } = state;
  const wrap = tip.parentElement;
  root.onmousemove = (event) => {
    const cell = event.target.closest(".cell");
    if (!cell) {
      tip.hidden = true;
      return;
    }
    const index = Number(cell.dataset.index);
    const said = state.header.cells[index] || [];
    tip.replaceChildren(
      ...[state.header.heads[index % state.header.columns], ...(said.length ? said : ["unchanged"])].map((text, at) => {
        const line = document.createElement("div");
        line.textContent = text || "";
        if (at === 0) line.className = "first";
        return line;
      }),
    );
    tip.hidden = false;
    const box = wrap.getBoundingClientRect();
    const at = cell.getBoundingClientRect();
    const left = Math.min(Math.max(at.left - box.left, 0), Math.max(box.width - tip.offsetWidth, 0));
    const below = at.bottom - box.top + 4;
    tip.style.left = `${left}px`;
    tip.style.top = `${below + tip.offsetHeight > box.height ? Math.max(at.top - box.top - tip.offsetHeight - 4, 0) : below}px`;
  };
  root.onmouseleave = () => {
    tip.hidden = true;
  };
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  if (!data) return undefined;
  const root = parentElement.querySelector(".grid");
  const tip = parentElement.querySelector(".tip");
  const { header, read } = unpack(data);
  let state = instances.get(root);
  if (!state) {
    state = { root, shape: "", cells: [], bitmap: null, turn: 0 };
    instances.set(root, state);
    state.resized = new ResizeObserver(() => paint(state));
    state.resized.observe(root);
    hover(state, tip);
  }
  const turn = (state.turn += 1);
  if (!state.bitmap) arrange(state, header); // reserve the space while the first picture is decoded
  createImageBitmap(new Blob([read("file")], { type: header.mime })).then((bitmap) => {
    if (turn !== state.turn) return; // a newer picture is already on its way
    arrange(state, header);
    state.bitmap = bitmap;
    paint(state);
    root.dataset.ready = header.stamp;
    root.dataset.painted = String(Date.now());
  });
  const pick = (event) => {
    const cell = event.target.closest(".pickable");
    if (cell) setTriggerValue("picked", { index: Number(cell.dataset.index), stamp: state.header.stamp });
  };
  root.onclick = pick;
  root.onkeydown = (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      pick(event);
    }
  };
  return undefined;
}
