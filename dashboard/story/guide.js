// The card of the story, the keys of story and presenter mode, and the room that both leave to the picture.

const FRAME = 96; // pixels of the header, the tabs and a little air
const TYPED = "input:not([type=range],[type=checkbox],[type=radio]),textarea,select,[contenteditable=''],[contenteditable=true],[role=textbox],[role=combobox],[role=listbox]," +
  "[role=option],[role=menu],[role=menuitem],[role=spinbutton],[role=dialog]";

class GuideView {
  constructor(model) {
    this.model = model;
    this.root = document.createElement("div");
    this.root.className = "guide";
    this.place = this.root.appendChild(document.createElement("div"));
    this.exit = this.root.appendChild(document.createElement("button"));
    Object.assign(this.exit, { type: "button", className: "exit", title: "Leave presenter mode (Esc or p)", textContent: "✕" });
    this.exit.setAttribute("aria-label", "Leave presenter mode");
    this.exit.addEventListener("click", () => { model.present = false; });
    this.root.addEventListener("click", (event) => {
      if (event.target.closest("[data-act=leave]")) model.left += 1;
    });
    this.sizes = new ResizeObserver(() => this.layOut());
    this.sizes.observe(this.place);
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
    model.on("card", () => this.draw());
    model.on("present", () => this.layOut());
    model.on("remove", () => { this.sizes.disconnect(); document.removeEventListener("keydown", this.onKey); });
    this.draw();
  }

  // Other links in the same card leave an open answer open.
  draw() {
    const title = () => this.place.querySelector("h2")?.textContent;
    const [before, open] = [title(), [...this.place.querySelectorAll("details")].map((d) => d.open)];
    this.place.innerHTML = this.model.card;
    if (title() === before) this.place.querySelectorAll("details").forEach((d, i) => { d.open = open[i]; });
    this.layOut();
  }

  // Beside the picture while presenting, above it otherwise; the picture gets what the window has left. An answer that
  // is opened covers nothing: what is below moves down.
  layOut() {
    const { present, card } = this.model;
    const page = document.documentElement;
    this.root.classList.toggle("presenting", present);
    page.classList.toggle("presenting", present);
    page.classList.toggle("story", Boolean(card));
    this.exit.hidden = !present;
    const beside = present && innerWidth > 1000;
    const opened = this.place.querySelector(".question[open] p");
    const height = card && !beside ? this.place.offsetHeight - (opened ? opened.offsetHeight : 0) : 0;
    const taken = (present ? 16 : FRAME) + height;
    if (card || present) page.style.setProperty("--picture", `max(340px, calc(100vh - ${taken}px))`);
    else page.style.removeProperty("--picture");
  }

  key(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const on = (selector) => event.composedPath().some((node) => node instanceof Element && node.matches(selector));
    const { model } = this;
    const way = { PageDown: "next", PageUp: "prev" }[event.key];
    if (on(TYPED) || (way && on("[type=range]"))) return; // a slider has its own use for these
    if (way && model.card) this.place.querySelector(`a[rel=${way}]`)?.click();
    else if (event.key === "p") model.present = !model.present;
    else if (event.key === "Escape" && model.present) model.present = false;
    else return;
    event.preventDefault();
  }
}

export function render({ model }) {
  return new GuideView(model).root;
}
