// Animated GIF, written frame by frame: one palette for all, what has not changed is transparent.

const COLOURS_AT_MOST = 255; // and one for transparent
const CLEAR = 255;

// 255 colours by median cut from the pixels (RGBA) of a few frames, as {table, nearest}.
export function choosePalette(samples) {
  const seen = new Map(); // 15-bit colour → [count, sums]
  for (const pixels of samples) {
    for (let i = 0; i < pixels.length; i += 4) {
      const key = ((pixels[i] >> 3) << 10) | ((pixels[i + 1] >> 3) << 5) | (pixels[i + 2] >> 3);
      const found = seen.get(key);
      if (found) { found[0]++; found[1] += pixels[i]; found[2] += pixels[i + 1]; found[3] += pixels[i + 2]; }
      else seen.set(key, [1, pixels[i], pixels[i + 1], pixels[i + 2]]);
    }
  }
  const colours = [...seen.values()].map(([n, r, g, b]) => ({ n, c: [r / n, g / n, b / n] }));
  const boxes = [colours];
  while (boxes.length < COLOURS_AT_MOST) {
    const [best, axis] = widestBox(boxes);
    if (best < 0) break;
    const box = boxes[best].sort((a, b) => a.c[axis] - b.c[axis]);
    const half = box.reduce((sum, { n }) => sum + Math.sqrt(n), 0) / 2;
    let [cut, sum] = [0, 0];
    while (cut < box.length - 1 && (sum += Math.sqrt(box[cut].n)) < half) cut++;
    cut = Math.max(1, cut);
    boxes.splice(best, 1, box.slice(0, cut), box.slice(cut));
  }
  const table = boxes.map((box) => {
    const n = box.reduce((sum, one) => sum + one.n, 0);
    return [0, 1, 2].map((k) => Math.round(box.reduce((sum, one) => sum + one.n * one.c[k], 0) / n));
  });
  const known = new Int16Array(32768).fill(-1);
  const nearest = (r, g, b) => {
    const key = ((r >> 3) << 10) | ((g >> 3) << 5) | (b >> 3);
    if (known[key] >= 0) return known[key];
    let [least, found] = [Infinity, 0];
    table.forEach(([x, y, z], i) => {
      const distance = 2 * (x - r) ** 2 + 4 * (y - g) ** 2 + 3 * (z - b) ** 2;
      if (distance < least) [least, found] = [distance, i];
    });
    return (known[key] = found);
  };
  return { table, nearest };
}

// The box to cut next and the axis: of the largest spread, frequent colours counting more.
function widestBox(boxes) {
  let [best, axis, most] = [-1, 0, 0];
  boxes.forEach((box, i) => {
    if (box.length < 2) return;
    const weight = Math.sqrt(Math.sqrt(box.reduce((sum, { n }) => sum + n, 0)));
    for (let k = 0; k < 3; k++) {
      const values = box.map(({ c }) => c[k]);
      const spread = (values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b))) * weight;
      if (spread > most) [best, axis, most] = [i, k, spread];
    }
  });
  return [best, axis];
}

export class Gif {
  constructor(width, height, palette) {
    Object.assign(this, { width, height, palette, before: null });
    const table = new Uint8Array(768);
    palette.table.forEach((colour, i) => table.set(colour, 3 * i));
    const head = [...new TextEncoder().encode("GIF89a"), width & 255, width >> 8, height & 255, height >> 8, 0xf7, 0, 0];
    const forever = [0x21, 0xff, 11, ...new TextEncoder().encode("NETSCAPE2.0"), 3, 1, 0, 0, 0];
    this.parts = [new Uint8Array(head), table, new Uint8Array(forever)];
  }

  // Pixels (RGBA) that stay for `delay` hundredths of a second.
  add(pixels, delay) {
    const { nearest } = this.palette;
    const now = new Uint8Array(this.width * this.height);
    const written = new Uint8Array(now.length);
    for (let i = 0; i < now.length; i++) {
      now[i] = nearest(pixels[4 * i], pixels[4 * i + 1], pixels[4 * i + 2]);
      written[i] = this.before && this.before[i] === now[i] ? CLEAR : now[i];
    }
    this.before = now;
    const size = [this.width & 255, this.width >> 8, this.height & 255, this.height >> 8];
    this.parts.push(new Uint8Array([0x21, 0xf9, 4, 0x05, delay & 255, delay >> 8, CLEAR, 0, 0x2c, 0, 0, 0, 0, ...size, 0, 8]), lzw(written));
  }

  blob() {
    return new Blob([...this.parts, new Uint8Array([0x3b])], { type: "image/gif" });
  }
}

// Compressed, in blocks of at most 255 bytes.
function lzw(indices) {
  let out = new Uint8Array(indices.length + 1024);
  let [length, start, bits, count] = [1, 0, 0, 0];
  const put = (code, width) => {
    bits |= code << count;
    count += width;
    while (count >= 8) { byte(bits & 255); bits >>>= 8; count -= 8; }
  };
  const byte = (value) => {
    if (length - start === 256) { out[start] = 255; start = length; length += 1; }
    if (length >= out.length - 2) { const more = new Uint8Array(2 * out.length); more.set(out); out = more; }
    out[length++] = value;
  };
  const [reset, end] = [256, 257];
  const next = new Int16Array(4096 * 256).fill(-1);
  let [known, width] = [258, 9];
  put(reset, width);
  let prefix = indices[0];
  for (let i = 1; i < indices.length; i++) {
    const place = (prefix << 8) | indices[i];
    if (next[place] >= 0) { prefix = next[place]; continue; }
    put(prefix, width);
    if (known < 4096) {
      next[place] = known;
      if (known++ === 1 << width) width++;
    } else {
      put(reset, width);
      next.fill(-1);
      [known, width] = [258, 9];
    }
    prefix = indices[i];
  }
  put(prefix, width);
  put(end, width);
  if (count > 0) byte(bits & 255);
  out[start] = length - start - 1;
  out[length] = 0;
  return out.subarray(0, length + 1);
}
