// Painting on a panel: the circle under the pointer, and strokes as points in the units of the panel.

const PACE = 33; // milliseconds between messages of a stroke

export class Brush {
  // `tell(points, begins)` hears of every stretch of a stroke; `changed` is called when something must be drawn.
  constructor(tell, changed) {
    Object.assign(this, { tell, changed, radius: 0, active: false });
    this.el = document.createElement("div");
    this.el.className = "stage-brush";
  }

  // Follows the pointer {panel, host, x, y} over a panel that is painted on; hides elsewhere.
  place(at) {
    const shown = at && this.radius > 0 && at.panel.paintsAt(at.x, at.y);
    this.el.hidden = !shown;
    if (!shown) return;
    if (this.el.parentNode !== at.host) at.host.append(this.el);
    const { sx, sy } = at.panel.view;
    const [w, h] = [2 * this.radius * Math.abs(sx.slope), 2 * this.radius * Math.abs(sy.slope)];
    Object.assign(this.el.style, { width: `${w}px`, height: `${h}px`, left: `${at.x - w / 2}px`, top: `${at.y - h / 2}px` });
  }

  // From a pointerdown on until the pointer is let go. Outside the plot the stroke pauses, and begins anew inside.
  stroke({ panel, host }, event) {
    event.preventDefault();
    host.setPointerCapture(event.pointerId);
    let [points, begins, timer] = [[], true, 0];
    const send = () => {
      if (points.length) this.tell(points, begins);
      if (points.length) [points, begins] = [[], false];
    };
    const due = () => { timer = 0; send(); };
    const add = (e) => {
      const rect = host.getBoundingClientRect();
      const [x, y] = [e.clientX - rect.left, e.clientY - rect.top];
      if (panel.paintsAt(x, y)) points.push([panel.view.sx.invert(x), panel.view.sy.invert(y)]);
      else { send(); begins = true; }
    };
    const move = (e) => {
      if (e.pointerId !== event.pointerId) return;
      const between = e.getCoalescedEvents ? e.getCoalescedEvents() : [];
      for (const one of between.length ? between : [e]) add(one);
      if (!timer) timer = setTimeout(due, PACE);
    };
    const done = (e) => {
      if (e.pointerId !== event.pointerId) return;
      clearTimeout(timer);
      send();
      this.active = false;
      for (const name of ["pointerup", "pointercancel"]) host.removeEventListener(name, done);
      host.removeEventListener("pointermove", move);
      this.changed();
    };
    host.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) host.addEventListener(name, done);
    this.active = true;
    add(event);
    send();
    timer = setTimeout(due, PACE);
  }
}
