// The panel for links: composes them in the browser, from the present query and what is chosen.
const HOW = [["free", "free"], ["locked", "locked"], ["hidden", "hidden"]];
const OURS = ["s", "lock", "hide", "embed", "panel", "detail", "tour", "story", "present"];

function el(tag, properties = {}, ...inside) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...inside);
  return node;
}

// The clipboard of browsers works on https and on this computer alone; on a local network the old way remains.
async function copy(field, button) {
  let done = false;
  try {
    await navigator.clipboard.writeText(field.value);
    done = true;
  } catch {
    field.select();
    done = document.execCommand("copy");
  }
  const label = button.textContent;
  button.textContent = done ? "Copied" : "Press Ctrl+C";
  setTimeout(() => { button.textContent = label; }, 1500);
}

// A field that cannot be edited, with its copy button.
function line(label, rows) {
  const field = el("textarea", { readOnly: true, rows, spellcheck: false });
  field.setAttribute("aria-label", label);
  field.addEventListener("focus", () => field.select());
  const button = el("button", { type: "button", textContent: "Copy", title: `Copy: ${label.toLowerCase()}` });
  button.setAttribute("aria-label", `Copy ${label.toLowerCase()}`);
  button.addEventListener("click", () => copy(field, button));
  return { field, node: el("div", { className: "line" }, field, button) };
}

export function render({ model }) {
  const opener = el("button", { type: "button", className: "opener share", textContent: "Share", title: "Link to this state" });
  opener.setAttribute("aria-haspopup", "dialog");
  const dialog = el("dialog");
  dialog.setAttribute("aria-label", "Share this state");
  const close = el("button", { type: "button", textContent: "Close" });
  close.addEventListener("click", () => dialog.close());

  const full = line("Link", 2);
  const short = line("Short link", 1);
  const shorten = el("button", { type: "button", textContent: "Make a short link", title: "The server keeps this state" });
  const note = el("p", { className: "quiet" });
  note.setAttribute("role", "status");
  const list = el("ul", { className: "controls" });
  const picture = el("select", {}, new Option("whole stage", ""));
  const detail = el("select", {}, new Option("with play controls", "full"), new Option("picture alone", "low"));
  const snippet = line("Snippet for a page", 3);
  const chosen = new Map();

  const query = (extra = {}) => {
    const wanted = new URLSearchParams(model.query);
    for (const key of OURS) wanted.delete(key);
    for (const [name, how] of [["lock", "locked"], ["hide", "hidden"]]) {
      const keys = [...chosen].filter(([, value]) => value === how).map(([key]) => key);
      if (keys.length) wanted.set(name, keys.join(","));
    }
    for (const [key, value] of Object.entries(extra)) wanted.set(key, value);
    return wanted.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  };
  const address = (text) => `${location.origin}${location.pathname}?${text}`;

  const compose = () => {
    full.field.value = address(query());
    const { answer } = model;
    const known = answer && answer.query === query();
    short.node.hidden = !(known && answer.id);
    shorten.hidden = !short.node.hidden;
    if (known && answer.id) short.field.value = address(`s=${answer.id}`);
    const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
    note.textContent = known && answer.problem ? answer.problem : here ? "These links work on this computer alone: its name in them is local." : "";
    const extra = { embed: "1", ...(picture.value ? { panel: picture.value } : {}), detail: detail.value };
    const source = address(query(extra)).replaceAll("&", "&amp;");
    const [width, height] = picture.value ? [720, 480] : [1100, 800]; // nine pictures need room
    snippet.field.value = `<iframe src="${source}"\n  width="${width}" height="${height}" style="border:0" loading="lazy" title="StoqLab"></iframe>`;
  };

  const offer = () => {
    const { controls, pictures } = model.offered;
    chosen.clear();
    list.replaceChildren(...controls.map(({ key, label, how }) => {
      chosen.set(key, how);
      const select = el("select", {}, ...HOW.map(([value, text]) => new Option(text, value, false, value === how)));
      select.setAttribute("aria-label", label);
      select.addEventListener("change", () => { chosen.set(key, select.value); compose(); });
      return el("li", {}, el("label", { title: key }, el("span", { textContent: label }), select));
    }));
    const before = picture.value;
    picture.replaceChildren(new Option("whole stage", ""), ...pictures.map(({ name, title }) => new Option(title, name)));
    picture.value = pictures.some(({ name }) => name === before) ? before : "";
    compose();
  };

  const choice = (label, control) => el("label", {}, el("span", { textContent: label }), control);
  dialog.append(
    el("header", {}, el("h2", { textContent: "Share this state" }), close),
    el("div", { className: "body" },
      el("p", { textContent: "Whoever opens the link sees this page with these settings and this seed." }),
      full.node, short.node, shorten, note,
      el("h3", { textContent: "Embed in a page" }),
      el("div", { className: "choices" }, choice("Show", picture), choice("Detail", detail)),
      snippet.node,
      el("h3", { textContent: "Exercise: lock or hide controls" }),
      el("p", { className: "quiet", textContent: "Locked controls are shown and cannot be moved, hidden ones are not shown." }),
      list),
  );
  opener.addEventListener("click", () => { model.send_msg({ open: true }); compose(); dialog.showModal(); });
  shorten.addEventListener("click", () => { note.textContent = "One moment …"; model.send_msg({ shorten: query() }); });
  picture.addEventListener("change", compose);
  detail.addEventListener("change", compose);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  model.on("offered", offer);
  model.on(["answer", "query"], compose);
  return el("div", {}, opener, dialog);
}
