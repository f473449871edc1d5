// Fields as pixels, and the colour bar that says what the colours mean.
import { Scale } from "./scale.js";

// The pixels of the present frame on a canvas of the field's own size; row 0 is the lowest.
function pixels(series, view) {
  const [h, w] = series.data.shape.slice(-2);
  const key = `${series.data.moving ? view.frame : 0} ${view.theme.name}`;
  if (!series.canvas) {
    series.canvas = document.createElement("canvas");
    Object.assign(series.canvas, { width: w, height: h });
    series.bits = new ImageData(w, h);
    series.words = new Uint32Array(series.bits.data.buffer);
  }
  if (series.drawn !== key) {
    const table = view.scene.palettes[series.palette][view.theme.name];
    const data = series.data.at(view.frame);
    for (let row = 0; row < h; row++) {
      const from = (h - 1 - row) * w;
      for (let i = 0; i < w; i++) series.words[row * w + i] = table[data[from + i]];
    }
    series.canvas.getContext("2d").putImageData(series.bits, 0, 0);
    series.drawn = key;
  }
  return series.canvas;
}

export function drawImage(ctx, series, view) {
  const { sx, sy } = view;
  const [x0, x1, y0, y1] = series.extent;
  const [left, top] = [sx.pixel(x0), sy.pixel(y1)];
  ctx.imageSmoothingEnabled = !series.pixelated;
  ctx.drawImage(pixels(series, view), left, top, sx.pixel(x1) - left, sy.pixel(y0) - top);
  ctx.imageSmoothingEnabled = true;
}

const BAR = 11;

export function barRoom(ctx, series, theme) {
  if (!series.limits) return 0;
  ctx.font = theme.small;
  const at = [0, 0.5, 1].map((part) => Math.round(part * (frames(series.limits) - 1)));
  const labels = at.flatMap((frame) => [200, 400, 800].flatMap((height) => barTicks(series, frame, height, theme).labels));
  return 8 + BAR + 6 + Math.max(...labels.map((text) => ctx.measureText(text).width)) + (series.label ? theme.size * 1.3 : 4);
}

function frames(track) {
  return track.moving ? track.shape[0] : 1;
}

function barTicks(series, frame, height, theme) {
  const [low, high] = series.limits.at(frame);
  const scale = new Scale("linear", low, high > low ? high : low + 1, height, 0);
  return { ...scale.ticks(Math.max(2, Math.floor(height / (theme.size * 3)))), scale };
}

export function drawBar(ctx, series, view) {
  if (!series.limits) return;
  const { box, theme } = view;
  const table = view.scene.palettes[series.palette][theme.name];
  const left = Math.round(box.x + box.w + 8);
  const rows = Math.max(1, Math.round(box.h));
  if (!series.strip || series.strip.key !== theme.name) series.strip = { canvas: strip(table), key: theme.name };
  ctx.drawImage(series.strip.canvas, left, box.y, BAR, rows);
  ctx.strokeStyle = theme.axis;
  ctx.lineWidth = 1;
  ctx.strokeRect(left + 0.5, Math.round(box.y) + 0.5, BAR - 1, rows - 1);
  const ticks = barTicks(series, view.frame, box.h, theme);
  ctx.font = theme.small;
  ctx.fillStyle = theme.text;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  let width = 0;
  ticks.values.forEach((value, i) => {
    const y = box.y + Math.min(box.h - 5, Math.max(5, ticks.scale.pixel(value)));
    ctx.fillText(ticks.labels[i], left + BAR + 5, y + 0.5);
    width = Math.max(width, ctx.measureText(ticks.labels[i]).width);
  });
  const label = series.label + (ticks.factor ? " " + ticks.factor : "");
  if (!label) return;
  ctx.save();
  ctx.translate(left + barRoom(ctx, series, theme) - 12, box.y + box.h / 2);
  ctx.rotate(-Math.PI / 2);
  ctx.textAlign = "center";
  ctx.textBaseline = "alphabetic";
  ctx.fillText(label, 0, 0);
  ctx.restore();
}

function strip(table) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: 1, height: 256 });
  const bits = new ImageData(1, 256);
  const words = new Uint32Array(bits.data.buffer);
  for (let i = 0; i < 256; i++) words[i] = table[255 - i];
  canvas.getContext("2d").putImageData(bits, 0, 0);
  return canvas;
}

// Value of the pixel under a point in data coordinates, or null outside.
export function imageValue(series, view, x, y) {
  const [x0, x1, y0, y1] = series.extent;
  const [h, w] = series.data.shape.slice(-2);
  const column = Math.floor(((x - x0) / (x1 - x0)) * w);
  const row = Math.floor(((y - y0) / (y1 - y0)) * h);
  if (column < 0 || column >= w || row < 0 || row >= h) return null;
  const byte = series.data.at(view.frame)[row * w + column];
  const [low, high] = series.limits ? series.limits.at(view.frame, view.fraction) : [0, 255];
  return { column, row, value: low + (byte / 255) * (high - low) };
}
