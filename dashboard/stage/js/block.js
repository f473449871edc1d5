// Reads the binary block that Python packs: header in JSON, then the arrays.

// One array of a series: fixed, or one row a frame.
export class Track {
  constructor(data, shape, moving) {
    this.data = data;
    this.shape = shape;
    this.moving = moving;
    this.size = shape.slice(moving ? 1 : 0).reduce((product, n) => product * n, 1);
    this.mixed = null;
  }

  // The values at a frame; `fraction` of the way to the next one, linearly (numbers only, not pixels).
  at(frame, fraction = 0) {
    if (!this.moving) return this.data;
    const start = frame * this.size;
    const now = this.data.subarray(start, start + this.size);
    if (fraction === 0 || start + this.size >= this.data.length || this.data instanceof Uint8Array) return now;
    this.mixed = this.mixed || new Float32Array(this.size);
    for (let i = 0; i < this.size; i++) this.mixed[i] = now[i] + fraction * (this.data[start + this.size + i] - now[i]);
    return this.mixed;
  }
}

function bytesOf(buffer) {
  const bytes = buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  return bytes.byteOffset % 4 ? bytes.slice() : bytes;
}

// Where the arrays of a block are: `fixed` bytes of them lie elsewhere, before `base`.
function reader(bytes, base, fixed = 0) {
  return ({ offset, shape, type, moving }) => {
    const count = shape.reduce((product, n) => product * n, 1);
    const Kind = type === "u1" ? Uint8Array : Float32Array;
    return new Track(new Kind(bytes.buffer, base + offset - fixed, count), shape, moving);
  };
}

// A whole block: {form, scene}. Later scenes of the same form are told by their values alone, see `fill`.
export function unpack(buffer) {
  const bytes = bytesOf(buffer);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const text = new TextDecoder().decode(bytes.subarray(4, 4 + length));
  const { palettes, fixed } = JSON.parse(text);
  const read = reader(bytes, bytes.byteOffset + 4 + length);
  for (const themes of Object.values(palettes)) {
    for (const name of Object.keys(themes)) themes[name] = lookup(read(themes[name]).data);
  }
  const form = { text, palettes };
  return { form, scene: fill(form, bytes.subarray(4 + length + fixed)) };
}

// The scene of a form with these values.
export function fill(form, buffer) {
  const bytes = bytesOf(buffer);
  const scene = { ...JSON.parse(form.text), palettes: form.palettes };
  const track = reader(bytes, bytes.byteOffset, scene.fixed);
  scene.positions = track(scene.positions).data;
  for (const panel of scene.panels) {
    panel.xlim = track(panel.xlim);
    panel.ylim = track(panel.ylim);
    for (const series of panel.series) {
      series.moving = false;
      for (const [name, reference] of Object.entries(series.arrays)) {
        series[name] = track(reference);
        series.moving = series.moving || series[name].moving;
      }
    }
  }
  return scene;
}

// 256 RGB triples as 32-bit pixels, opaque (little-endian).
function lookup(rgb) {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) table[i] = (255 << 24) | (rgb[3 * i + 2] << 16) | (rgb[3 * i + 1] << 8) | rgb[3 * i];
  return table;
}

// The last frame at or before a position, and the fraction of the way to the next.
export function locate(positions, position) {
  let low = 0;
  let high = positions.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (positions[middle] <= position + 1e-6) low = middle;
    else high = middle - 1;
  }
  const next = Math.min(low + 1, positions.length - 1);
  const step = positions[next] - positions[low];
  return { frame: low, fraction: step > 0 ? Math.min(1, Math.max(0, (position - positions[low]) / step)) : 0 };
}
