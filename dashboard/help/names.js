// Names for what the libraries leave without one, so that a screen reader can say it.
const NAMES = [
  [".MuiInputAdornment-positionStart button:not([aria-label])", "Less"],
  [".MuiInputAdornment-positionEnd button:not([aria-label])", "More"],
  ["[role=progressbar]:not([aria-label])", "Progress"],
  ["svg[role=img]:not([aria-label]):has(mjx-container, [data-mml-node])", "Equation"],
];
const EVERY = 4000; // milliseconds between walks through the page

function nameAll(root = document) {
  for (const [selector, name] of NAMES) for (const node of root.querySelectorAll(selector)) node.setAttribute("aria-label", name);
  for (const node of root.querySelectorAll("*")) if (node.shadowRoot) nameAll(node.shadowRoot);
}

function keepNaming() {
  const timer = setInterval(() => { if (!document.hidden) nameAll(); }, EVERY);
  const first = setTimeout(nameAll, 1200);
  return () => { clearInterval(timer); clearTimeout(first); };
}
