// The button that saves what is seen: the picture, the animation, the data, and how to make all of it again.
import { film, filmType, gif } from "./film.js";
import { Sheet } from "./sheet.js";

const SAVE = "M12 3v10.2l3.6-3.6L17 11l-5 5-5-5 1.4-1.4L11 13.2V3zM5 19h14v2H5z";
const PATIENCE_MS = 120000; // for an answer of the server

class Stopped extends Error {}

function element(name, className, text, parent) {
  const el = document.createElement(name);
  if (className) el.className = className;
  if (text) el.textContent = text;
  if (parent) parent.append(el);
  return el;
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// To the clipboard; without a secure connection the browser has only the older way. `field` holds the text.
async function copy(field) {
  if (navigator.clipboard) return navigator.clipboard.writeText(field.value);
  field.select();
  if (!document.execCommand("copy")) throw new Error("The browser did not allow it; select the text and copy it.");
}

export class Export {
  constructor(view) {
    this.view = view;
    this.asked = 0;
    this.answers = new Map();
    this.button = element("button", "stage-save");
    this.button.type = "button";
    this.button.title = "Save picture, animation, data or script";
    this.button.setAttribute("aria-label", this.button.title);
    this.button.setAttribute("aria-haspopup", "dialog");
    this.button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${SAVE}"/></svg>`;
    this.box = element("div", "stage-export", "", view.root);
    this.box.setAttribute("popover", "auto");
    this.box.setAttribute("role", "dialog");
    this.box.setAttribute("aria-label", "Save");
    this.build();
    this.button.addEventListener("click", () => this.toggle());
    this.box.addEventListener("toggle", (event) => this.button.setAttribute("aria-expanded", String(event.newState === "open")));
    view.model.on("msg:custom", (message) => {
      const answer = message && this.answers.get(message.export);
      if (answer) answer(message);
    });
  }

  build() {
    this.menu = element("div", "stage-export-menu", "", this.box);
    this.choice = this.group("Picture", "select");
    this.choice.setAttribute("aria-label", "Which picture");
    this.act("png", "PNG", "For print: 16 cm wide at 400 dpi", () => this.picture("png"));
    this.act("svg", "SVG", "Lines and letters as such, for a paper", () => this.picture("svg"));
    this.group("Animation");
    this.act("gif", "GIF", "Plays everywhere", () => this.animation(gif, "gif"));
    const type = filmType();
    const kind = type && type.includes("mp4") ? "mp4" : "webm";
    if (type) this.act("film", kind === "mp4" ? "MP4" : "WebM", "Smooth; takes as long as it plays", () => this.animation(film, kind));
    this.group("Data");
    this.act("csv", "CSV", "What is in the picture now, as a table", () => this.data("csv", "text/csv"));
    this.act("netcdf", "NetCDF", "All frames, with units and settings, for xarray", () => this.data("netcdf", "application/x-netcdf"));
    this.again = this.group("Make it again").parentNode;
    this.act("script", "Python script", "Makes the same numbers", () => this.recipe("script", "py"));
    this.act("command", "Command line", "The same with stoqlab", () => this.recipe("command", "sh"));
    this.message = element("p", "stage-export-message", "", this.box);
    this.message.setAttribute("role", "status");
    this.stop = element("button", "", "Stop", this.box);
    this.stop.hidden = true;
    this.stop.addEventListener("click", () => { this.stopped = true; });
    this.text = element("div", "stage-export-text", "", this.box);
    this.text.hidden = true;
    this.note = element("p", "", "", this.text);
    this.field = element("textarea", "", "", this.text);
    this.field.readOnly = true;
    this.field.spellcheck = false;
    for (const [name, act] of [["Copy", () => this.copied()], ["Download", () => save(new Blob([this.field.value], { type: "text/plain" }), this.fileName)], ["Back", () => this.page()]]) {
      element("button", "", name, this.text).addEventListener("click", act);
    }
  }

  group(title, first = "") {
    this.row = element("div", "stage-export-row", "", this.menu);
    element("span", "", title, this.row);
    return first ? element(first, "", "", this.row) : this.row.firstChild;
  }

  act(name, text, title, run) {
    const button = element("button", "", text, this.row);
    Object.assign(button, { type: "button", title });
    button.dataset.export = name;
    button.addEventListener("click", () => this.run(run));
  }

  // Beside the play buttons, or on the picture where there are none.
  place(buttons, shown) {
    this.button.classList.toggle("floating", !shown);
    const home = shown ? buttons : this.view.root;
    if (this.button.parentNode !== home) home.append(this.button);
  }

  toggle() {
    if (this.box.matches(":popover-open")) { this.box.hidePopover(); return; }
    this.page();
    const { scene, model, grid } = this.view;
    const panels = scene ? scene.panels.filter(({ id }) => grid.panels.has(id)) : [];
    this.choice.replaceChildren(new Option("Everything", ""), ...panels.map(({ id, title }) => new Option(title || id, id)));
    this.choice.hidden = panels.length < 2;
    this.again.hidden = !model.reproducible;
    this.box.showPopover();
    const at = this.button.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this.box;
    this.box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - offsetWidth - 8))}px`;
    this.box.style.top = `${Math.max(8, Math.min(at.bottom + 4, innerHeight - offsetHeight - 8))}px`;
    this.box.querySelector("select:not([hidden]), button").focus();
  }

  // The menu, or the text of a recipe with its file's name.
  page(text = "", note = "", fileName = "") {
    this.menu.hidden = Boolean(text);
    this.text.hidden = !text;
    this.field.value = text;
    this.field.rows = Math.min(24, text.split("\n").length + 1);
    this.note.textContent = note;
    this.fileName = fileName;
    if (!this.busy) this.message.textContent = "";
    if (text) this.field.focus();
  }

  async copied() {
    try {
      await copy(this.field);
      this.message.textContent = "Copied.";
    } catch (problem) {
      this.message.textContent = problem.message;
    }
  }

  // One thing at a time; what goes wrong is said in the box.
  async run(work) {
    if (this.busy || !this.view.scene) return;
    this.busy = true;
    this.stopped = false;
    this.message.textContent = "One moment …";
    try {
      await new Promise((done) => setTimeout(done)); // so that this is seen
      this.message.textContent = (await work()) || "";
    } catch (problem) {
      this.message.textContent = problem instanceof Stopped ? "Stopped." : problem.message || String(problem);
    }
    this.busy = false;
    this.stop.hidden = true;
  }

  name(ending, panel = "") {
    const { label } = this.view.model;
    const slug = [label.split(/[:,]/)[0], panel].filter(Boolean).join(" ").toLowerCase().replace(/[^a-z0-9]+/g, "-");
    return `stoqlab-${slug.replace(/^-|-$/g, "")}.${ending}`;
  }

  async onSheet(work) {
    const sheet = new Sheet(this.view, this.choice.hidden ? "" : this.choice.value);
    try {
      return await work(sheet);
    } finally {
      sheet.close();
    }
  }

  picture(kind) {
    return this.onSheet(async (sheet) => {
      const moment = this.view.player.moment();
      const blob = kind === "png" ? await sheet.png(moment) : sheet.svg(moment, this.view.model.label);
      save(blob, this.name(kind, this.choice.value));
      return "Saved.";
    });
  }

  animation(make, kind) {
    this.stop.hidden = false;
    return this.onSheet(async (sheet) => {
      const blob = await make(sheet, (done, total) => {
        if (this.stopped) throw new Stopped();
        this.message.textContent = `Frame ${done + 1} of ${total} …`;
      });
      save(blob, this.name(kind, this.choice.value));
      return "Saved.";
    });
  }

  // What the server makes; rejects with its sentence where it cannot.
  ask(kind) {
    const id = (this.asked += 1);
    return new Promise((done, failed) => {
      const late = setTimeout(() => { this.answers.delete(id); failed(new Error("The server did not answer.")); }, PATIENCE_MS);
      this.answers.set(id, (message) => {
        clearTimeout(late);
        this.answers.delete(id);
        if (message.problem) failed(new Error(message.problem));
        else done(message);
      });
      this.view.model.send_msg({ export: id, kind, position: this.view.player.position });
    });
  }

  async data(kind, type) {
    const { file } = await this.ask(kind);
    save(new Blob([file], { type }), this.name(kind === "csv" ? "csv" : "nc"));
    return "Saved.";
  }

  async recipe(kind, ending) {
    const { text, note } = await this.ask(kind);
    if (text) this.page(text, note, this.name(ending));
    return text ? "" : note;
  }
}
