// Definitions under the pointer and at the focus: of elements with data-define, and of the titles of the pictures.
const TITLE = 26; // pixels at the upper edge of a picture that hold its title
const DIGITS = "₀₁₂₃₄₅₆₇₈₉";

function plain(label) {
  return label.replace(/[₀-₉]/g, (digit) => DIGITS.indexOf(digit)).replaceAll("_", "").replace(/\s+/g, " ").trim();
}

function define(definitions, label) {
  const text = plain(label);
  return definitions.find(({ pattern }) => new RegExp(pattern, "iu").test(text))?.text ?? "";
}

function watchLabels(definitions, tip) {
  // What the pointer is on: [text, rectangle] or null.
  const under = (event) => {
    const [target] = event.composedPath();
    if (!(target instanceof Element)) return null;
    const marked = target.closest("[data-define]");
    if (marked) return [marked.dataset.define, marked.getBoundingClientRect()];
    if (!target.matches(".stage-panel canvas")) return null;
    const box = target.getBoundingClientRect();
    if (!target.dataset.title || event.clientY - box.top > TITLE || event.clientY === undefined) return null;
    return [define(definitions, target.dataset.title), new DOMRect(event.clientX - 8, box.top, 16, TITLE)];
  };
  const show = (event) => {
    const [text, box] = under(event) ?? ["", null];
    if (text && tip.textContent !== text) tip.textContent = text;
    tip.reveal(Boolean(text));
    if (!text) return;
    tip.style.left = `${Math.max(6, Math.min(box.left, innerWidth - tip.offsetWidth - 6))}px`;
    const below = box.bottom + 6 + tip.offsetHeight < innerHeight;
    tip.style.top = `${below ? box.bottom + 6 : box.top - tip.offsetHeight - 6}px`;
  };
  const hide = (event) => { if (event.type !== "keydown" || event.key === "Escape") tip.reveal(false); };
  const listeners = [["pointermove", show], ["focusin", show], ["focusout", hide], ["pointerdown", hide], ["keydown", hide], ["scroll", hide]];
  for (const [name, call] of listeners) document.addEventListener(name, call, { capture: true, passive: true });
  return () => { for (const [name, call] of listeners) document.removeEventListener(name, call, { capture: true }); };
}
