// The scrubber: a slider with named positions and marks.

export class Scrubber {
  constructor(player) {
    this.player = player;
    this.el = document.createElement("div");
    this.el.className = "stage-scrubber";
    this.track = this.el.appendChild(document.createElement("div"));
    this.track.className = "stage-track";
    this.track.tabIndex = 0;
    this.track.setAttribute("role", "slider");
    this.track.setAttribute("aria-label", "Play position");
    this.labels = this.part("labels");
    this.part("rail");
    this.fill = this.part("fill");
    this.thumb = this.part("thumb");
    this.marks = this.part("marks");
    this.track.addEventListener("pointerdown", (event) => this.grab(event));
  }

  part(name) {
    const el = this.track.appendChild(document.createElement("div"));
    el.className = "stage-" + name;
    return el;
  }

  grab(event) {
    if (event.button) return;
    const rect = this.track.getBoundingClientRect();
    const { start, end } = this.player;
    const place = (e) => start + ((e.clientX - rect.left) / rect.width) * (end - start);
    dragPosition(this.track, event, this.player, place);
  }

  load(scene) {
    const { start, end } = this.player;
    const span = end - start || 1;
    const percent = (position) => `${(100 * (position - start)) / span}%`;
    this.labels.replaceChildren(...scene.ticks.flatMap(([position, text], i) => {
      const label = document.createElement("span");
      label.className = "stage-tick" + (position <= start ? " first" : position >= end ? " last" : "");
      label.textContent = text;
      label.style.left = percent(position);
      const notch = document.createElement("span");
      notch.className = "stage-notch";
      notch.style.left = percent(position);
      return i === 0 || i === scene.ticks.length - 1 ? [label] : [notch, label];
    }));
    this.marks.replaceChildren(...scene.marks.map((mark) => {
      const el = document.createElement("span");
      const part = (mark.position - start) / span;
      el.className = "stage-mark" + (part < 0.2 ? " left" : part > 0.8 ? " right" : "");
      el.style.left = percent(mark.position);
      el.dataset.tip = mark.tooltip ? `${mark.label}: ${mark.tooltip}` : mark.label;
      return el;
    }));
    this.track.setAttribute("aria-valuemin", start);
    this.track.setAttribute("aria-valuemax", end);
    this.track.setAttribute("aria-valuenow", this.player.position);
    this.width = 0;
  }

  resize() {
    this.width = this.track.clientWidth;
    const labels = [...this.labels.querySelectorAll(".stage-tick")];
    const kept = [];
    for (const label of new Set([...labels.slice(0, 1), ...labels.slice(-1), ...labels])) { // the ends come first
      const { left, right } = label.getBoundingClientRect();
      const free = kept.every((other) => right + 8 < other.left || left > other.right + 8);
      label.style.visibility = free ? "" : "hidden";
      if (free) kept.push({ left, right });
    }
  }

  update(position, caption) {
    const { start, end } = this.player;
    const part = (position - start) / (end - start || 1);
    this.fill.style.transform = `scaleX(${part})`;
    this.thumb.style.transform = `translateX(${part * (this.width || this.track.clientWidth)}px)`;
    if (!this.player.playing) {
      this.track.setAttribute("aria-valuenow", position.toFixed(4));
      this.track.setAttribute("aria-valuetext", caption || position.toFixed(3));
    }
  }
}

// Drags the play position from a pointerdown on; play goes on afterwards if it was on.
export function dragPosition(target, event, player, place) {
  event.preventDefault();
  target.setPointerCapture(event.pointerId);
  player.hold(true);
  player.seek(place(event));
  const move = (e) => player.seek(place(e));
  const done = () => {
    target.removeEventListener("pointermove", move);
    target.removeEventListener("pointerup", done);
    target.removeEventListener("pointercancel", done);
    player.hold(false);
  };
  target.addEventListener("pointermove", move);
  target.addEventListener("pointerup", done);
  target.addEventListener("pointercancel", done);
}
