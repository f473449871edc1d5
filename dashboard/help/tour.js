// A few steps past the things on the page. Nothing is dimmed or blocked: the page can be used meanwhile.
const SEEN = "stoqlab.tour";

function deepFind(selector, root = document) {
  for (const node of root.querySelectorAll(selector)) {
    const { width, height } = node.getBoundingClientRect();
    if (width > 1 && height > 1) return node;
  }
  for (const node of root.querySelectorAll("*")) {
    const found = node.shadowRoot && deepFind(selector, node.shadowRoot);
    if (found) return found;
  }
  return null;
}

function remember() {
  try { localStorage.setItem(SEEN, "yes"); } catch { /* a browser that keeps nothing asks again */ }
}

function isNew() {
  try { return localStorage.getItem(SEEN) === null; } catch { return false; }
}

class Tour {
  constructor(steps, place) {
    this.all = steps;
    this.place = place;
    this.ring = floatingNode("ring");
    this.card = floatingNode("card step");
    this.card.setAttribute("role", "dialog");
    this.card.setAttribute("aria-label", "Tour");
    this.card.addEventListener("keydown", (event) => {
      const act = { Escape: () => this.end(), ArrowRight: () => this.go(1), ArrowLeft: () => this.go(-1) }[event.key];
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });
    place.append(this.ring, this.card);
    this.follow = () => this.put();
  }

  start(opener) {
    remember();
    this.opener = opener;
    this.steps = this.all.filter(({ find }) => deepFind(find));
    this.at = 0;
    addEventListener("resize", this.follow);
    this.show();
  }

  go(by) {
    this.at += by;
    if (this.at < 0) this.at = 0;
    if (this.at >= this.steps.length) this.end();
    else this.show();
  }

  show() {
    const { title, text } = this.steps[this.at];
    const last = this.at === this.steps.length - 1;
    const skip = el("button", { type: "button", textContent: "Skip", hidden: last });
    const next = el("button", { type: "button", className: "main", textContent: last ? "Done" : "Next" });
    skip.addEventListener("click", () => this.end());
    next.addEventListener("click", () => this.go(1));
    const count = el("span", { className: "quiet", textContent: `${this.at + 1} of ${this.steps.length}` });
    this.card.replaceChildren(
      el("b", { textContent: title }), el("p", { textContent: text }), el("div", { className: "row" }, count, skip, next),
    );
    this.put();
    next.focus();
  }

  put() {
    const target = deepFind(this.steps[this.at].find);
    this.ring.reveal(Boolean(target));
    this.card.reveal(true);
    if (!target) return;
    const box = target.getBoundingClientRect();
    const inside = { left: Math.max(3, box.left - 4), top: Math.max(3, box.top - 4) };
    const size = { width: Math.min(innerWidth - 4, box.right + 4) - inside.left, height: Math.min(innerHeight - 4, box.bottom + 4) - inside.top };
    for (const [name, value] of Object.entries({ ...inside, ...size })) this.ring.style[name] = `${value}px`;
    const { offsetWidth: w, offsetHeight: h } = this.card;
    const beside = box.right + 16 + w < innerWidth && box.height > h;
    const below = box.bottom + 12 + h < innerHeight;
    const x = beside ? box.right + 14 : Math.min(Math.max(12, box.left), innerWidth - w - 12);
    const y = beside ? Math.max(60, box.top + 16) : below ? box.bottom + 12 : Math.max(12, Math.min(box.top + 60, innerHeight - h - 12));
    this.card.style.left = `${x}px`;
    this.card.style.top = `${y}px`;
  }

  end() {
    for (const node of [this.ring, this.card]) if (node.isConnected) node.reveal(false);
    removeEventListener("resize", this.follow);
    this.opener?.focus();
  }
}

// The card for a first visit: small, in a corner, gone for good with either button.
function invitation(start) {
  const take = el("button", { type: "button", className: "main", textContent: "Take the tour" });
  const no = el("button", { type: "button", textContent: "No, thanks" });
  const card = floatingNode("card new");
  card.append(el("span", { textContent: "New here?" }), take, no);
  card.setAttribute("role", "region");
  card.setAttribute("aria-label", "Offer of a tour");
  take.addEventListener("click", () => { card.remove(); start(); });
  no.addEventListener("click", () => { remember(); card.remove(); });
  return card;
}
