// Hands on the map: wheel and two fingers zoom, dragging draws an outline, a box or moves the map, a click picks a
// point, and the keyboard does all of it.

const CLICK_PX = 5;
const REACH_PX = 14;
const MOST_CORNERS = 400;

function place(map, event) {
  const box = map.over.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function zoomAt(map, sx, sy, factor) {
  map.view = zoomed(map, sx, sy, factor);
  redraw(map);
}

function zoomHome(map) {
  map.view = { ...map.fit };
  redraw(map);
}

function setTool(map, tool) {
  map.tool = tool;
  map.over.style.cursor = tool === "pan" ? "grab" : "crosshair";
  map.tools.querySelectorAll("[data-tool]").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  });
}

function setHover(map, row) {
  if (row === map.hover) return;
  map.hover = row;
  paintOverlay(map);
  paintCard(map);
}

function listen(map) {
  const over = map.over;
  const fingers = new Map();
  let drag = null;

  over.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !map.taken) return;  // who scrolls the page past the map does not zoom it
    event.preventDefault();
    const [x, y] = place(map, event);
    zoomAt(map, x, y, Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)));
  }, { passive: false });

  over.addEventListener("pointerdown", (event) => {
    if (event.button === 2) return;
    map.taken = true;  // until the pointer leaves
    map.box.classList.remove("keyed");
    over.focus({ preventScroll: true });
    over.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(map, event));
    if (fingers.size === 2) {
      drag = { kind: "pinch", gap: fingerGap(fingers) };
      map.outline = [];
      return;
    }
    const start = place(map, event);
    const kind = event.button === 1 || map.spaceDown ? "pan" : map.tool;
    drag = { kind, start, last: start, moved: false };
    setHover(map, -1);
  });

  over.addEventListener("pointermove", (event) => {
    const here = place(map, event);
    if (!drag) {
      if (event.pointerType !== "touch") setHover(map, nearestPoint(map, here[0], here[1], REACH_PX));
      return;
    }
    fingers.set(event.pointerId, here);
    if (drag.kind === "pinch") {
      const gap = fingerGap(fingers);
      const [a, b] = [...fingers.values()];
      if (a && b) zoomAt(map, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2, gap / drag.gap);
      drag.gap = gap;
      return;
    }
    if (!drag.moved && Math.hypot(here[0] - drag.start[0], here[1] - drag.start[1]) < CLICK_PX) return;
    drag.moved = true;
    dragTo(map, drag, here);
  });

  const end = (event) => {
    fingers.delete(event.pointerId);
    const finished = drag;
    if (fingers.size) return;
    drag = null;
    if (!finished || finished.kind === "pinch") return;
    if (!finished.moved) pick(map, nearestPoint(map, finished.start[0], finished.start[1], REACH_PX), event);
    else if (finished.kind === "pan") over.style.cursor = map.tool === "pan" ? "grab" : "crosshair";
    else enclose(map, finished.kind, event);
  };
  over.addEventListener("pointerup", end);
  over.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    drag = null;
    map.outline = [];
    paintOverlay(map);
  });
  over.addEventListener("pointerleave", () => {
    map.taken = false;
    if (!drag) setHover(map, -1);
  });
  over.addEventListener("dblclick", (event) => event.preventDefault());
  over.addEventListener("keydown", (event) => key(map, event));
  over.addEventListener("keyup", (event) => {
    if (event.key === " ") map.spaceDown = false;
  });
  over.addEventListener("keyup", (event) => event.key === "Tab" && map.box.classList.add("keyed"));
  over.addEventListener("blur", () => {
    map.spaceDown = false;
  });
}

function dragTo(map, drag, here) {
  if (drag.kind === "pan") {
    map.view.x -= (here[0] - drag.last[0]) / map.view.scale;
    map.view.y += (here[1] - drag.last[1]) / map.view.scale;
    drag.last = here;
    map.over.style.cursor = "grabbing";
    redraw(map);
  } else if (drag.kind === "box") {
    const [[x0, y0], [x1, y1]] = [drag.start, here];
    map.outline = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
    paintOverlay(map);
  } else {
    if (!map.outline.length) map.outline.push(drag.start);
    const [lx, ly] = map.outline[map.outline.length - 1];
    if (Math.hypot(here[0] - lx, here[1] - ly) >= 3) map.outline.push(here);
    paintOverlay(map);
  }
}

function enclose(map, kind, event) {
  const step = Math.ceil(map.outline.length / MOST_CORNERS);
  const drawn = map.outline.filter((_, i) => i % step === 0);
  const corners = drawn.map((corner) => toMap(map, corner));
  map.outline = [];
  const found = insideOutline(map, drawn);
  const how = event.shiftKey ? "add" : event.altKey ? "remove" : "new";
  map.selected = combined(map.selected, found, how);
  redraw(map);
  map.send({ kind: kind === "box" ? "box" : "lasso", how, outline: corners.map((corner) => toData(map, corner)), hidden: [...map.hidden] });
}

function pick(map, row, event) {
  if (row < 0) {
    if (!event.shiftKey && (map.selected || map.focus >= 0)) clearAll(map);
    return;
  }
  map.focus = row;
  paintOverlay(map);
  map.send({ kind: "point", row });
}

function clearAll(map) {
  map.selected = null;
  map.focus = -1;
  redraw(map);
  map.send({ kind: "clear" });
}

function key(map, event) {
  const tools = { l: "lasso", b: "box", p: "pan" };
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  if (event.ctrlKey || event.metaKey) return;
  map.box.classList.add("keyed");
  if (event.key in arrows) step(map, arrows[event.key], event.shiftKey);
  else if (event.key === "Enter" && map.hover >= 0) pick(map, map.hover, event);
  else if (event.key === "Escape") clearAll(map);
  else if (event.key === " ") map.spaceDown = true;
  else if (event.key === "+" || event.key === "=") zoomAt(map, map.width / 2, map.height / 2, 1.4);
  else if (event.key === "-") zoomAt(map, map.width / 2, map.height / 2, 1 / 1.4);
  else if (event.key === "0") zoomHome(map);
  else if (event.key.toLowerCase() in tools) setTool(map, tools[event.key.toLowerCase()]);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function step(map, [dx, dy], moveMap) {
  if (moveMap) {
    map.view.x += (60 * dx) / map.view.scale;
    map.view.y += (60 * dy) / map.view.scale;
    redraw(map);
    return;
  }
  const from = map.hover >= 0 ? map.hover : map.focus;
  if (from < 0 || !map.shown[from]) setHover(map, nearestPoint(map, map.width / 2, map.height / 2, 1e9));
  else setHover(map, nextPoint(map, from, dx, dy));
}
