// Bars that can be clicked. A name opens what the bar is about. Marks beside the bars: a click makes don't care into keep, keep into ignore, ignore into don't care.
// The bars are plain HTML that comes anew with every forecast; this listens for all of them, wherever they are.

const NEXT = { "": "keep", keep: "ignore", ignore: "" };

export default function (component) {
  const { parentElement, setTriggerValue } = component;
  const page = parentElement.ownerDocument;
  const click = (event) => {
    const place = event.target.closest ? event.target : null;
    const name = place && place.closest("[data-about]");
    if (name) setTriggerValue("asked", name.dataset.about);
    const mark = place && place.closest(".vl-mark");
    if (!mark) return;
    const wish = NEXT[mark.dataset.wish || ""];
    mark.dataset.wish = wish; // seen at once; what the server draws is the same
    mark.textContent = wish || "–";
    setTriggerValue("marked", { name: mark.dataset.name, wish });
  };
  if (parentElement.unmark) parentElement.unmark();
  page.addEventListener("click", click);
  parentElement.unmark = () => page.removeEventListener("click", click);
  return parentElement.unmark;
}
