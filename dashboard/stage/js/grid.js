// Panels on a CSS grid, with plot areas that line up along columns and rows.
import { Panel } from "./panel.js";

// First and last column and row of each name in the areas.
function spans(areas) {
  const found = {};
  areas.forEach((row, r) => row.trim().split(/\s+/).forEach((name, c) => {
    const span = (found[name] = found[name] || { left: c, right: c, top: r, bottom: r });
    span.left = Math.min(span.left, c);
    span.right = Math.max(span.right, c);
    span.bottom = Math.max(span.bottom, r);
  }));
  return found;
}

// The scene's own grid, or these rows of panels where it has all of them.
function layout(scene, rows) {
  const ids = new Set(scene.panels.map((spec) => spec.id));
  const chosen = new Set(rows.flatMap((row) => row.trim().split(/\s+/)));
  if (!rows.length || [...chosen].some((id) => !ids.has(id))) return scene;
  return {
    panels: scene.panels.filter((spec) => chosen.has(spec.id)),
    areas: rows,
    columns: rows[0].trim().split(/\s+/).map(() => "1fr").join(" "),
    rows: rows.map(() => "1fr").join(" "),
  };
}

export class Grid {
  constructor(host) {
    this.host = host;
    this.panels = new Map();
  }

  // `chosen`: rows of panel ids to show instead of all; none for the scene as it is.
  load(scene, chosen = []) {
    const { panels, areas, columns, rows } = layout(scene, chosen);
    const style = this.host.style;
    style.gridTemplateColumns = columns.replace(/(\d*\.?\d+fr)/g, "minmax(0, $1)");
    style.gridTemplateRows = rows.replace(/(\d*\.?\d+fr)/g, "minmax(0, $1)");
    style.gridTemplateAreas = areas.map((row) => `"${row}"`).join(" ");
    this.spans = spans(areas);
    const wanted = new Set(panels.map((spec) => spec.id));
    for (const [id, panel] of this.panels) if (!wanted.has(id)) { panel.host.remove(); this.panels.delete(id); }
    for (const spec of panels) {
      if (!this.panels.has(spec.id)) {
        const host = this.host.appendChild(document.createElement("div"));
        host.className = "stage-panel";
        host.dataset.panel = spec.id;
        host.style.gridArea = spec.id;
        this.panels.set(spec.id, new Panel(host));
      }
      const panel = this.panels.get(spec.id);
      panel.load(spec, scene);
      panel.namesMarks = !panels.some((other) => other.clock && this.above(other.id, spec.id));
    }
  }

  above(one, other) {
    const [a, b] = [this.spans[one], this.spans[other]];
    return a.left <= b.right && b.left <= a.right && a.top < b.top;
  }

  // Margins: panels that begin (or end) in the same column or row get the same one on that side.
  arrange(theme) {
    const entries = [...this.panels].filter(([, panel]) => panel.host.clientWidth > 0);
    const common = (side, line, rooms) => {
      const widest = {};
      entries.forEach(([id], i) => { widest[this.spans[id][line]] = Math.max(widest[this.spans[id][line]] || 0, rooms[i][side]); });
      entries.forEach(([id], i) => { rooms[i][side] = widest[this.spans[id][line]]; });
    };
    // Twice: which ticks there are, and so how wide their labels, depends on the height that the headers leave.
    let rooms = entries.map(() => ({ top: 30, bottom: 40 }));
    for (let pass = 0; pass < 2; pass++) {
      rooms = entries.map(([, panel], i) => panel.measureSides(theme, rooms[i].top, rooms[i].bottom));
      common("left", "left", rooms);
      common("right", "right", rooms);
      entries.forEach(([, panel], i) => { rooms[i].top = panel.measureTop(theme, rooms[i].left, rooms[i].right); });
      common("top", "top", rooms);
      common("bottom", "bottom", rooms);
    }
    entries.forEach(([, panel], i) => panel.place(rooms[i], theme));
  }

  draw(moment, theme, dpr) {
    for (const panel of this.panels.values()) panel.draw(moment, theme, dpr);
  }
}
