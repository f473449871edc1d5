// What the painters draw, written down as SVG: the calls of a 2D context that they use, and no others.

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const short = (value) => String(Number(value.toFixed(2)));
const ANCHORS = { left: "start", start: "start", center: "middle", right: "end", end: "end" };

export class Recorder {
  constructor() {
    this.ruler = document.createElement("canvas").getContext("2d");
    this.parts = [];
    this.clips = new Map();
    this.images = new Map();
    this.grouped = null; // the clip of the group that is open
    this.path = "";
    this.kept = [];
    this.state = { matrix: [1, 0, 0, 1, 0, 0], clip: null };
    Object.assign(this, { fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, globalAlpha: 1, lineJoin: "miter" });
    Object.assign(this, { font: "10px sans-serif", textAlign: "start", textBaseline: "alphabetic", dash: [], imageSmoothingEnabled: true });
  }

  save() {
    const { fillStyle, strokeStyle, lineWidth, globalAlpha, lineJoin, font, textAlign, textBaseline, dash } = this;
    this.kept.push({ state: { ...this.state }, look: { fillStyle, strokeStyle, lineWidth, globalAlpha, lineJoin, font, textAlign, textBaseline, dash } });
  }

  restore() {
    const { state, look } = this.kept.pop();
    this.state = state;
    Object.assign(this, look);
  }

  translate(x, y) {
    const [a, b, c, d, e, f] = this.state.matrix;
    this.state.matrix = [a, b, c, d, e + a * x + c * y, f + b * x + d * y];
  }

  rotate(angle) {
    const [a, b, c, d, e, f] = this.state.matrix;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    this.state.matrix = [a * cos + c * sin, b * cos + d * sin, c * cos - a * sin, d * cos - b * sin, e, f];
  }

  point(x, y) {
    const [a, b, c, d, e, f] = this.state.matrix;
    return [a * x + c * y + e, b * x + d * y + f];
  }

  beginPath() { this.path = ""; this.box = null; }
  moveTo(x, y) { this.path += `M${this.at(x, y)}`; }
  lineTo(x, y) { this.path += `L${this.at(x, y)}`; }
  closePath() { this.path += "Z"; }
  at(x, y) { return this.point(x, y).map(short).join(" "); }

  rect(x, y, w, h) {
    const [left, top] = this.point(x, y);
    this.box = { left, top, right: left + w, bottom: top + h };
    this.path += `M${this.at(x, y)}L${this.at(x + w, y)}L${this.at(x + w, y + h)}L${this.at(x, y + h)}Z`;
  }

  // Whole circles: the painters draw no other arcs.
  arc(x, y, r) {
    const size = short(r);
    this.path += `M${this.at(x + r, y)}A${size} ${size} 0 1 1 ${this.at(x - r, y)}A${size} ${size} 0 1 1 ${this.at(x + r, y)}Z`;
  }

  // Only upright rectangles are clipped to, each within those before.
  clip() {
    const { clip } = this.state;
    const now = this.box;
    this.state.clip = clip
      ? { left: Math.max(clip.left, now.left), top: Math.max(clip.top, now.top), right: Math.min(clip.right, now.right), bottom: Math.min(clip.bottom, now.bottom) }
      : now;
  }

  setLineDash(dash) { this.dash = dash; }
  measureText(text) { this.ruler.font = this.font; return this.ruler.measureText(text); }

  stroke() {
    const dash = this.dash.length ? ` stroke-dasharray="${this.dash.join(" ")}"` : "";
    const join = this.lineJoin === "round" ? ' stroke-linejoin="round"' : "";
    this.add(`<path d="${this.path}" fill="none" stroke="${this.strokeStyle}" stroke-width="${short(this.lineWidth)}"${dash}${join}${this.faint("stroke")}/>`);
  }

  fill() { this.add(`<path d="${this.path}" fill="${this.fillStyle}"${this.faint("fill")}/>`); }

  fillRect(x, y, w, h) { this.beginPath(); this.rect(x, y, w, h); this.fill(); }
  strokeRect(x, y, w, h) { this.beginPath(); this.rect(x, y, w, h); this.stroke(); }
  fillText(text, x, y) { this.write(text, x, y, `fill="${this.fillStyle}"${this.faint("fill")}`); }
  strokeText(text, x, y) {
    this.write(text, x, y, `fill="none" stroke="${this.strokeStyle}" stroke-width="${short(this.lineWidth)}" stroke-linejoin="round"${this.faint("stroke")} aria-hidden="true"`);
  }

  write(text, x, y, look) {
    const [, weight = "", size, family] = this.font.match(/^(?:(\d+) )?([\d.]+)px (.*)$/);
    const from = this.ruler;
    from.font = this.font;
    from.textBaseline = "alphabetic";
    const plain = from.measureText("x").fontBoundingBoxAscent;
    from.textBaseline = this.textBaseline;
    const drop = plain - from.measureText("x").fontBoundingBoxAscent;
    from.textBaseline = "alphabetic";
    const [a, b, c, d] = this.state.matrix;
    const [px, py] = this.point(x, y + drop);
    const place = b === 0 && c === 0 ? `x="${short(px)}" y="${short(py)}"` : `transform="matrix(${[a, b, c, d, px, py].map(short).join(" ")})"`;
    const anchor = ANCHORS[this.textAlign] === "start" ? "" : ` text-anchor="${ANCHORS[this.textAlign]}"`;
    const bold = weight ? ` font-weight="${weight}"` : "";
    this.add(`<text ${place} font-family="${escaped(family)}" font-size="${size}"${bold}${anchor} xml:space="preserve" ${look}>${escaped(text)}</text>`);
  }

  // A canvas: the disc of a particle as a circle, anything else as pixels.
  drawImage(canvas, x, y, w, h) {
    if (canvas.disc) {
      const [cx, cy] = this.point(x + w / 2, y + h / 2).map(short);
      this.add(`<circle cx="${cx}" cy="${cy}" r="${short(canvas.disc.radius)}" fill="${canvas.disc.colour}"${this.faint("fill")}/>`);
      return;
    }
    const [left, top] = this.point(x, y).map(short);
    const sharp = this.imageSmoothingEnabled ? "" : ' style="image-rendering:pixelated"';
    this.add(`<image x="${left}" y="${top}" width="${short(w)}" height="${short(h)}" preserveAspectRatio="none"${sharp} href="${canvas.toDataURL("image/png")}"/>`);
  }

  faint(what) { return this.globalAlpha < 1 ? ` ${what}-opacity="${short(this.globalAlpha)}"` : ""; }

  add(element) {
    const { clip } = this.state;
    const key = clip ? [clip.left, clip.top, clip.right - clip.left, clip.bottom - clip.top].map((v) => short(Math.max(0, v))).join(" ") : "";
    if (key !== (this.grouped || "")) {
      if (this.grouped) this.parts.push("</g>");
      if (key && !this.clips.has(key)) this.clips.set(key, `c${this.clips.size}`);
      if (key) this.parts.push(`<g clip-path="url(#${this.clips.get(key)})">`);
      this.grouped = key;
    }
    this.parts.push(element);
  }

  // The whole file: `width` and `height` in pixels of the drawing, `centimetres` wide on paper.
  document(width, height, centimetres, title, description) {
    if (this.grouped) this.parts.push("</g>");
    this.grouped = null;
    const clips = [...this.clips].map(([key, name]) => {
      const [x, y, w, h] = key.split(" ");
      return `<clipPath id="${name}"><rect x="${x}" y="${y}" width="${w}" height="${h}"/></clipPath>`;
    });
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${centimetres}cm" height="${short((centimetres * height) / width)}cm" viewBox="0 0 ${width} ${height}">`,
      `<title>${escaped(title)}</title>`, `<desc>${escaped(description)}</desc>`, `<defs>${clips.join("")}</defs>`, ...this.parts, "</svg>", "",
    ].join("\n");
  }
}
