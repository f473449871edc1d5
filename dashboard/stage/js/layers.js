// Which series are painted once and which in every frame.
import { drawArrows, drawBundle, drawPoints } from "./particles.js";
import { drawBand, drawBars, drawLine, drawRule } from "./curves.js";
import { drawImage } from "./image.js";

const DRAW = {
  line: drawLine, band: drawBand, bars: drawBars, rule: drawRule,
  points: drawPoints, arrows: drawArrows, bundle: drawBundle, image: drawImage,
};

// Order is kept: series before the first moving one go under, those after the last one over, the rest is drawn live.
export function sortSeries(spec, hidden) {
  const shown = spec.series.filter((s) => !hidden.has(s.label));
  const live = (s) => s.moving || (spec.clock && s.kind === "bundle");
  const first = shown.findIndex(live);
  if (first < 0) return { under: shown, live: [], over: [] };
  const last = shown.length - [...shown].reverse().findIndex(live);
  return { under: shown.slice(0, first), live: shown.slice(first, last), over: shown.slice(last) };
}

export function drawSeries(ctx, list, view) {
  for (const series of list) DRAW[series.kind](ctx, series, view);
}

export function insideBox(ctx, view, draw) {
  const { box } = view;
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.x, box.y, box.w, box.h);
  ctx.clip();
  draw();
  ctx.restore();
}

// A picture kept beside the visible canvas.
export class Layer {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.fresh = false;
  }

  paint(width, height, dpr, draw) {
    this.canvas.width = Math.max(1, Math.round(width * dpr));
    this.canvas.height = Math.max(1, Math.round(height * dpr));
    const ctx = this.canvas.getContext("2d");
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    draw(ctx);
    this.fresh = true;
  }
}
