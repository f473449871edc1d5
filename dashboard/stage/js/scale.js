// Data to pixels: pixel = slope · transform(value) + shift.
import { linearTicks, logTicks, symlogTicks } from "./ticks.js";

const LARGEST = 20000; // pixels; lines far outside are cut here, since canvases dislike huge coordinates

export class Scale {
  constructor(kind, low, high, start, end, threshold = 1) {
    Object.assign(this, { kind, low, high, start, end, threshold });
    const a = this.transform(low);
    const b = this.transform(high);
    this.slope = (end - start) / (b - a || 1);
    this.shift = start - this.slope * a;
  }

  transform(value) {
    if (this.kind === "linear") return value;
    if (this.kind === "log") return value <= 0 ? -40 : Math.log10(value); // NaN stays NaN
    const size = Math.abs(value) / this.threshold;
    return Math.sign(value) * (size <= 1 ? size : 1 + Math.log10(size));
  }

  invert(pixel) {
    const value = (pixel - this.shift) / this.slope;
    if (this.kind === "linear") return value;
    if (this.kind === "log") return 10 ** value;
    const size = Math.abs(value);
    return Math.sign(value) * this.threshold * (size <= 1 ? size : 10 ** (size - 1));
  }

  pixel(value) {
    const pixel = this.slope * (this.kind === "linear" ? value : this.transform(value)) + this.shift;
    return pixel > LARGEST ? LARGEST : pixel < -LARGEST ? -LARGEST : pixel; // NaN stays NaN
  }

  ticks(count) {
    if (this.kind === "log") return logTicks(this.low, this.high, count);
    if (this.kind === "symlog") return symlogTicks(this.low, this.high, count, this.threshold);
    return linearTicks(this.low, this.high, count);
  }
}
