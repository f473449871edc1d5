// The stage on paper: laid out anew in the light theme, painted on any context at any moment.
import { Grid } from "./grid.js";
import { Recorder } from "./recorder.js";
import { makeTheme } from "./theme.js";

const PAPER_CM = 16; // width of a printed picture
const PAPER_PIXELS = 2520; // of it: 400 in an inch
const WIDE = 1000; // pixels in which several panels are laid out, so that type has 7 points in print
const NARROW = 640; // and a single one: 9 points
const ENLARGED = 1.1;
const TALLER = 1.2; // than on the screen, because the type is larger
const MARGIN = 10;
const FOOT = 26;

export class Sheet {
  // Of what `view` (a StageView) shows, or of its panel called `only`.
  constructor(view, only = "") {
    this.view = view;
    this.chosen = only ? [only] : view.model.areas;
    this.host = document.createElement("div");
    this.host.className = "stage-grid stage-sheet";
    this.host.setAttribute("aria-hidden", "true");
    view.root.append(this.host);
    const shown = only ? view.grid.panels.get(only).host : view.gridHost;
    const single = only || view.grid.panels.size === 1;
    const slope = (single ? 1 : TALLER) * (shown.clientHeight / Math.max(1, shown.clientWidth));
    this.width = single ? NARROW : WIDE;
    this.body = Math.round(this.width * Math.min(1.4, Math.max(0.4, slope)));
    this.grid = new Grid(this.host);
    this.theme = makeTheme(false, this.width, this.width === WIDE ? ENLARGED : 1);
    Object.assign(this.host.style, { width: `${this.width}px`, height: `${this.body}px`, padding: `${MARGIN}px` });
    this.renew();
  }

  // The scene that the stage shows now.
  renew() {
    const { view, grid } = this;
    if (this.scene === view.scene) return;
    this.scene = view.scene;
    grid.load(this.scene, this.chosen);
    for (const [id, panel] of grid.panels) {
      const shown = view.grid.panels.get(id);
      panel.hidden = new Set(shown ? shown.hidden : []);
      panel.sort();
    }
    grid.arrange(this.theme);
    this.height = this.body + (this.scene.captions.length ? FOOT : 0);
  }

  close() {
    this.host.remove();
  }

  caption(moment) {
    return (this.scene.captions[moment.frame] || "").replace(/\s\s+/g, "  ");
  }

  // One pixel of the layout has `scale` pixels of the context.
  paint(pen, moment, scale) {
    const { theme } = this;
    pen.fillStyle = theme.paper;
    pen.fillRect(0, 0, this.width, this.height);
    for (const panel of this.grid.panels.values()) {
      if (!(panel.width >= 20 && panel.height >= 20)) continue;
      pen.save();
      pen.translate(panel.host.offsetLeft, panel.host.offsetTop); // within the sheet, which is positioned
      pen.beginPath();
      pen.rect(0, 0, panel.width, panel.height);
      pen.clip();
      panel.paintOn(pen, moment, theme, scale);
      pen.restore();
    }
    const caption = this.caption(moment);
    if (!caption) return;
    pen.font = theme.small;
    pen.fillStyle = theme.soft;
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.fillText(caption, MARGIN, this.body + FOOT / 2 - 4);
  }

  // On a canvas of so many pixels across; even numbers of pixels, as films want them.
  canvas(moment, across, canvas = document.createElement("canvas")) {
    const scale = across / this.width;
    const [w, h] = [across, this.height * scale].map((n) => 2 * Math.round(n / 2));
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.setTransform(w / this.width, 0, 0, h / this.height, 0, 0);
    this.paint(pen, moment, scale);
    return canvas;
  }

  async png(moment) {
    const canvas = this.canvas(moment, PAPER_PIXELS);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    const bytes = new Uint8Array(await blob.arrayBuffer());
    return new Blob([withDensity(bytes, Math.round((100 * canvas.width) / PAPER_CM))], { type: "image/png" });
  }

  svg(moment, title) {
    const pen = new Recorder();
    this.paint(pen, moment, 1);
    return new Blob([pen.document(this.width, this.height, PAPER_CM, title, this.caption(moment))], { type: "image/svg+xml" });
  }
}

// A PNG that says how many pixels a metre has: the chunk pHYs, behind the header of 33 bytes.
function withDensity(png, perMetre) {
  const chunk = new Uint8Array(21);
  const words = new DataView(chunk.buffer);
  words.setUint32(0, 9);
  chunk.set([0x70, 0x48, 0x59, 0x73], 4);
  words.setUint32(8, perMetre);
  words.setUint32(12, perMetre);
  chunk[16] = 1;
  words.setUint32(17, checksum(chunk.subarray(4, 17)));
  const whole = new Uint8Array(png.length + chunk.length);
  whole.set(png.subarray(0, 33));
  whole.set(chunk, 33);
  whole.set(png.subarray(33), 33 + chunk.length);
  return whole;
}

// CRC-32, as PNG has it.
function checksum(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
