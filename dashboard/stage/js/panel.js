// One picture: a canvas, its plot box and its layers.
import { axesRoom, drawAxes, drawGrid, ticksY } from "./axes.js";
import { drawHeader, entryAt, layHeader } from "./header.js";
import { barRoom, drawBar } from "./image.js";
import { drawBundle, drawBundleDots } from "./particles.js";
import { haloed } from "./curves.js";
import { drawSeries, insideBox, Layer, sortSeries } from "./layers.js";
import { valueAt } from "./readout.js";
import { Scale } from "./scale.js";

const FAINT_FUTURE = 0.3; // of a bundle, beside its past

export class Panel {
  constructor(host) {
    this.host = host;
    this.canvas = host.appendChild(document.createElement("canvas"));
    this.ctx = this.canvas.getContext("2d");
    this.hidden = new Set();
    this.under = new Layer();
    this.over = new Layer();
    this.bundles = new Map();
    this.header = { height: 0, entries: [] };
    this.margins = { left: 0, right: 0, top: 0, bottom: 0 };
  }

  // A scene: which series move, whether the axes do.
  load(spec, scene) {
    this.spec = spec;
    this.scene = scene;
    this.images = spec.series.filter((s) => s.kind === "image");
    this.movingAxes = spec.xlim.moving || spec.ylim.moving;
    this.movingBar = this.images.some((s) => s.limits && s.limits.moving);
    this.moves = spec.clock || this.movingAxes || this.movingBar || spec.series.some((s) => s.moving);
    this.host.classList.toggle("clock", spec.clock);
    this.canvas.setAttribute("role", "img");
    this.canvas.dataset.title = spec.title; // what the help defines
    this.canvas.setAttribute("aria-label", [spec.title || spec.id, spec.xlabel, spec.ylabel].filter(Boolean).join(", "));
    this.sort();
  }

  sort() {
    this.parts = sortSeries(this.spec, this.hidden);
    this.stale();
  }

  stale() {
    this.under.fresh = this.over.fresh = false;
    this.bundles.clear();
    this.painted = "";
  }

  // What is needed to draw at a moment: box, scales, frame.
  viewAt(moment, theme, dpr) {
    const { spec, margins, width, height } = this;
    const box = { x: margins.left, y: margins.top, w: Math.max(1, width - margins.left - margins.right), h: Math.max(1, height - margins.top - margins.bottom) };
    const [x0, x1] = spec.xlim.at(moment.frame, moment.fraction);
    const [y0, y1] = spec.ylim.at(moment.frame, moment.fraction);
    let [left, right, low, high] = [x0, x1, y0, y1];
    if (spec.aspect === "equal") {
      const [perX, perY] = [box.w / (x1 - x0), box.h / (y1 - y0)];
      if (this.images.length) { // the box takes the shape of the field
        const unit = Math.min(perX, perY);
        const [w, h] = [unit * (x1 - x0), unit * (y1 - y0)];
        Object.assign(box, { x: box.x + (box.w - w) / 2, y: box.y + (box.h - h) / 2, w, h });
      } else if (perX > perY) { // the axes grow to the shape of the box
        const extra = (box.w / perY - (x1 - x0)) / 2;
        [left, right] = [x0 - extra, x1 + extra];
      } else {
        const extra = (box.h / perX - (y1 - y0)) / 2;
        [low, high] = [y0 - extra, y1 + extra];
      }
    }
    return {
      ...moment, spec, theme, dpr, box, scene: this.scene, images: this.images,
      sx: new Scale("linear", left, right, box.x, box.x + box.w),
      sy: new Scale(spec.scale, low, high, box.y + box.h, box.y, spec.linthresh),
    };
  }

  // Room at the sides, for the widest labels among a few frames.
  measureSides(theme, top, bottomRoom) {
    this.width = this.host.clientWidth;
    this.height = this.host.clientHeight;
    const count = this.spec.ylim.moving ? this.spec.ylim.shape[0] : 1;
    const labels = [];
    this.margins = { left: 0, right: 0, top, bottom: bottomRoom };
    for (let i = 0; i < Math.min(count, 9); i++) {
      const frame = Math.round((i * (count - 1)) / Math.max(1, Math.min(count, 9) - 1));
      const ticks = ticksY(this.viewAt({ frame, fraction: 0, position: 0 }, theme, 1));
      labels.push(...ticks.labels, ticks.factor);
    }
    const view = this.viewAt({ frame: 0, fraction: 0, position: 0 }, theme, 1);
    const { left, bottom } = axesRoom(this.ctx, view, labels);
    const bar = Math.max(0, ...this.images.map((s) => barRoom(this.ctx, s, theme)));
    return { left: Math.ceil(left), bottom: Math.ceil(bottom), right: Math.ceil(bar || (this.spec.hide_axes ? 1 : 12)) };
  }

  // Room above, once the width of the plot is known.
  measureTop(theme, left, right) {
    const view = { spec: this.spec, theme };
    this.header = layHeader(this.ctx, view, Math.max(40, this.width - left - right));
    const plain = this.spec.hide_axes ? 8 : 22; // for the common factor of the y axis
    return Math.max(this.header.height, this.header.entries.length || this.spec.title ? 0 : plain);
  }

  place(margins, theme) {
    this.margins = margins;
    this.stale();
    // Over a plot that is narrower than its panel the header stays as narrow as it can.
    const { box } = this.viewAt({ frame: 0, fraction: 0, position: 0 }, theme, 1);
    const room = this.width - margins.left - margins.right;
    const width = Math.min(room, Math.max(box.w, this.header.span + 1));
    this.header = layHeader(this.ctx, { spec: this.spec, theme }, width);
    this.header.left = Math.max(margins.left, Math.min(box.x, this.width - margins.right - width));
  }

  draw(moment, theme, dpr) {
    const key = `${this.moves ? moment.position : 0} ${theme.name}`;
    if (!(this.width >= 20 && this.height >= 20) || key === this.painted) return; // no room, or none measured yet
    this.painted = key;
    const [w, h] = [Math.round(this.width * dpr), Math.round(this.height * dpr)];
    if (this.canvas.width !== w || this.canvas.height !== h) Object.assign(this.canvas, { width: w, height: h });
    const view = (this.view = this.viewAt(moment, theme, dpr));
    const { ctx } = this;
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    ctx.clearRect(0, 0, this.width, this.height);
    const still = !this.movingAxes;
    this.layer(still && this.under, view, (pen) => this.paintUnder(pen, view));
    insideBox(ctx, view, () => this.paintLive(ctx, view));
    this.layer(still && this.over, view, (pen) => this.paintOver(pen, view));
    if (this.movingBar) this.images.slice(0, 1).forEach((series) => drawBar(ctx, series, view));
    if (this.spec.clock) this.paintNow(ctx, view);
  }

  // Everything at a moment on any context, without pictures kept from before: for files.
  paintOn(pen, moment, theme, dpr) {
    const view = this.viewAt(moment, theme, dpr);
    this.paintUnder(pen, view);
    insideBox(pen, view, () => {
      for (const series of this.parts.live) {
        if (this.spec.clock && series.kind === "bundle") paintBothSides(pen, series, view);
        else drawSeries(pen, [series], view);
      }
    });
    this.paintOver(pen, view);
    if (this.movingBar) this.images.slice(0, 1).forEach((series) => drawBar(pen, series, view));
    if (this.spec.clock) this.paintNow(pen, view);
  }

  layer(layer, view, paint) {
    if (!layer) return paint(this.ctx);
    if (!layer.fresh) layer.paint(this.width, this.height, view.dpr, paint);
    return this.ctx.drawImage(layer.canvas, 0, 0, this.width, this.height);
  }

  paintUnder(ctx, view) {
    drawGrid(ctx, view);
    insideBox(ctx, view, () => drawSeries(ctx, this.parts.under, view));
    drawHeader(ctx, view, this.header, this.hidden);
    if (!this.movingBar) this.images.slice(0, 1).forEach((series) => drawBar(ctx, series, view));
  }

  paintLive(ctx, view) {
    for (const series of this.parts.live) {
      if (this.spec.clock && series.kind === "bundle") this.paintBundle(ctx, series, view);
      else drawSeries(ctx, [series], view);
    }
  }

  paintOver(ctx, view) {
    insideBox(ctx, view, () => {
      drawSeries(ctx, this.parts.over, view);
      if (this.spec.clock) this.paintMarks(ctx, view);
    });
    drawAxes(ctx, view, this.margins.left);
  }

  // Two pictures of the bundle, bright and faint; each frame shows the past of one and the future of the other.
  paintBundle(ctx, series, view) {
    if (!this.bundles.has(series)) {
      const pair = [new Layer(), new Layer()];
      pair.forEach((layer, i) => layer.paint(this.width, this.height, view.dpr, (pen) => {
        insideBox(pen, view, () => drawBundle(pen, series, view, i ? FAINT_FUTURE : 1));
      }));
      this.bundles.set(series, pair);
    }
    const [past, future] = this.bundles.get(series);
    const cut = Math.round(Math.min(this.width, Math.max(0, view.sx.pixel(view.position))) * view.dpr);
    const [w, h] = [past.canvas.width, past.canvas.height];
    if (cut > 0) ctx.drawImage(past.canvas, 0, 0, cut, h, 0, 0, cut / view.dpr, this.height);
    if (cut < w) ctx.drawImage(future.canvas, cut, 0, w - cut, h, cut / view.dpr, 0, (w - cut) / view.dpr, this.height);
    drawBundleDots(ctx, series, view);
  }

  paintMarks(ctx, view) {
    const { theme, box, sx } = view;
    ctx.font = theme.small;
    ctx.textBaseline = "top";
    const places = view.scene.marks.map((mark) => Math.round(sx.pixel(mark.position)) + 0.5);
    let end = box.x;
    view.scene.marks.forEach((mark, i) => {
      const x = places[i];
      ctx.strokeStyle = theme.soft;
      ctx.lineWidth = 1;
      ctx.setLineDash([2, 3]);
      ctx.beginPath();
      ctx.moveTo(x, box.y);
      ctx.lineTo(x, box.y + box.h);
      ctx.stroke();
      ctx.setLineDash([]);
      if (!this.namesMarks || box.h < 90) return;
      const width = ctx.measureText(mark.label).width;
      const next = Math.min(box.x + box.w, ...places.filter((place) => place > x));
      const start = x + width + 8 < next ? x + 5 : x - width - 8 > end ? x - width - 5 : null;
      end = Math.max(x, start === null ? x : start + width);
      if (start === null) return;
      ctx.textAlign = "left";
      haloed(ctx, mark.label, start, box.y + 2, theme.soft, theme.paper);
    });
  }

  paintNow(ctx, view) {
    const { theme, box, sx, sy } = view;
    const x = sx.pixel(view.position);
    ctx.strokeStyle = theme.text;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    ctx.moveTo(x, box.y);
    ctx.lineTo(x, box.y + box.h);
    ctx.stroke();
    ctx.fillStyle = theme.text;
    ctx.beginPath();
    ctx.moveTo(x - 5, box.y - 1);
    ctx.lineTo(x + 5, box.y - 1);
    ctx.lineTo(x, box.y + 6);
    ctx.fill();
    for (const series of this.spec.series) {
      if (series.kind !== "line" || series.moving || this.hidden.has(series.label)) continue;
      const y = valueAt(series.x.data, series.y.data, view.position);
      const py = y === null ? NaN : sy.pixel(y);
      if (!(py >= box.y && py <= box.y + box.h)) continue;
      ctx.beginPath();
      ctx.arc(x, py, 4, 0, 2 * Math.PI);
      ctx.fillStyle = theme.colour(series.color);
      ctx.fill();
      ctx.strokeStyle = theme.paper;
      ctx.lineWidth = 1.5;
      ctx.stroke();
    }
  }

  // Whether a press there moves the play position.
  scrubsAt(x, y) {
    const { spec, box } = this.view;
    return spec.clock && y >= box.y && x >= box.x - 8 && x <= box.x + box.w + 8;
  }

  // Whether a press there paints.
  paintsAt(x, y) {
    if (!this.paintable || !this.view) return false;
    const { box } = this.view;
    return x >= box.x && x < box.x + box.w && y > box.y && y <= box.y + box.h;
  }

  cursorAt(x, y) {
    if (entryAt(this.view, this.header, x, y)) return "pointer";
    if (this.paintsAt(x, y)) return "crosshair";
    return this.scrubsAt(x, y) ? "ew-resize" : "default";
  }

  // A click on the legend shows or hides the series of that label.
  toggleAt(x, y) {
    const entry = this.view && entryAt(this.view, this.header, x, y);
    if (!entry) return false;
    if (!this.hidden.delete(entry.text)) this.hidden.add(entry.text);
    this.sort();
    return true;
  }
}

// A bundle whose past is bright and whose future is faint.
function paintBothSides(pen, series, view) {
  const { box, sx } = view;
  const now = Math.min(box.x + box.w, Math.max(box.x, sx.pixel(view.position)));
  for (const [x, w, strength] of [[box.x, now - box.x, 1], [now, box.x + box.w - now, FAINT_FUTURE]]) {
    if (!(w > 0)) continue;
    pen.save();
    pen.beginPath();
    pen.rect(x, box.y, w, box.h);
    pen.clip();
    drawBundle(pen, series, view, strength);
    pen.restore();
  }
  drawBundleDots(pen, series, view);
}
