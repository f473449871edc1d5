// The dialog, and what ties the parts together.
export function render({ model }) {
  const opener = el("button", { type: "button", className: "opener ask", textContent: "?", title: "Help: keys, definitions, tour (?)" });
  opener.setAttribute("aria-label", "Help");
  opener.setAttribute("aria-haspopup", "dialog");
  opener.hidden = !model.button;
  const dialog = el("dialog");
  dialog.setAttribute("aria-label", "Help");
  const close = el("button", { type: "button", textContent: "Close" });
  close.addEventListener("click", () => dialog.close());
  const keys = el("dl", { className: "keys" }, ...model.keys.flatMap(([key, does]) =>
    [el("dt", {}, ...key.split(", ").map((one) => el("kbd", { textContent: one }))), el("dd", { textContent: does })]));
  const terms = [...model.definitions].map(({ term, text }) => {
    const row = el("div", {}, el("dt", { textContent: term }), el("dd", { textContent: text }));
    row.words = `${term} ${text}`.toLowerCase();
    return row;
  });
  const filter = el("input", { type: "text", placeholder: "Filter, such as χ or score" });
  filter.setAttribute("aria-label", "Filter the definitions");
  filter.addEventListener("input", () => {
    for (const row of terms) row.hidden = !row.words.includes(filter.value.trim().toLowerCase());
  });
  const again = el("button", { type: "button", textContent: "Take the tour" });
  dialog.append(
    el("header", {}, el("h2", { textContent: "Help" }), close),
    el("div", { className: "body" },
      el("div", { className: "row" }, again),
      el("h3", { textContent: "Keys" }), keys,
      el("h3", { textContent: "Definitions" }),
      el("p", { className: "quiet", textContent: "Also shown when the pointer rests on the title of a picture or the head of a table." }),
      filter, el("dl", { className: "terms" }, ...terms)),
  );
  const open = () => { if (!dialog.open) dialog.showModal(); };
  opener.addEventListener("click", open);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  const tip = floatingNode("tip");
  tip.setAttribute("role", "tooltip");
  const root = el("div", {}, opener, dialog);
  const floating = el("div", { className: "floating" });
  root.append(floating);
  floating.append(tip);
  const tour = new Tour(model.steps, floating);
  again.addEventListener("click", () => { dialog.close(); tour.start(opener); });
  if (model.tour && isNew()) {
    const card = invitation(() => tour.start(opener));
    floating.append(card);
    requestAnimationFrame(() => { if (card.isConnected) card.reveal(true); });
  }
  const leave = [listenForHelp(open), watchLabels(model.definitions, tip), keepNaming()];
  model.on("remove", () => { for (const call of leave) call(); tour.end(); });
  return root;
}
