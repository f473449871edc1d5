// Where ticks stand and what they say, for linear, logarithmic and symmetric logarithmic axes.
import { fixed, power, raised } from "./format.js";

// The step 1, 2, 2.5 or 5 × 10ⁿ that divides a span into at most `count` parts.
export function niceStep(span, count) {
  const rough = span / Math.max(1, count);
  const unit = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 2, 2.5, 5, 10]) if (factor * unit >= rough * (1 - 1e-9)) return factor * unit;
  return 10 * unit;
}

// {values, labels, factor}: `factor` is a common power of ten, "×10⁴", or "".
export function linearTicks(low, high, count) {
  const step = niceStep(high - low, count);
  const values = [];
  for (let i = Math.ceil(low / step - 1e-6); i * step <= high + 1e-6 * step; i++) values.push(i * step);
  const largest = Math.max(...values.map(Math.abs), 0);
  let exponent = largest > 0 ? Math.floor(Math.log10(largest) + 1e-9) : 0;
  if (exponent < 5 && exponent > -4) exponent = 0;
  const unit = 10 ** exponent;
  let decimals = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
  const mantissa = step / unit * 10 ** decimals;
  if (Math.abs(mantissa - Math.round(mantissa)) > 1e-6) decimals += 1;
  const labels = values.map((v) => fixed(v / unit, decimals));
  return { values, labels, minor: [], factor: exponent ? "×10" + raised(exponent) : "" };
}

export function logTicks(low, high, count) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  if (last - first < 1) {
    const { values } = linearTicks(low, high, count);
    const kept = values.filter((v) => v > 0);
    return { values: kept, labels: kept.map((v) => (v >= 1e-3 && v < 1e5 ? String(Number(v.toPrecision(6))) : power(v))), minor: [], factor: "" };
  }
  const stride = Math.max(1, Math.ceil((last - first + 1) / Math.max(1, count)));
  const values = [];
  const minor = [];
  for (let e = first - 1; e <= last; e++) {
    const value = 10 ** e;
    if (value >= low * (1 - 1e-9) && (e - first) % stride === 0) values.push(value);
    if (stride === 1) for (let m = 2; m < 10; m++) if (m * value > low && m * value < high) minor.push(m * value);
  }
  return { values, labels: values.map(power), minor, factor: "" };
}

export function symlogTicks(low, high, count, threshold) {
  const decades = (limit) => (limit > threshold ? Math.floor(Math.log10(limit / threshold) + 1e-9) : -1);
  const above = decades(high);
  const below = decades(-low);
  if (above < 0 && below < 0) return linearTicks(low, high, count);
  const stride = Math.max(1, Math.ceil((above + below + 3) / Math.max(1, count)));
  const values = low <= 0 && high >= 0 ? [0] : [];
  for (let e = stride - 1; e <= above; e += stride) values.push(threshold * 10 ** e);
  for (let e = stride - 1; e <= below; e += stride) values.unshift(-threshold * 10 ** e);
  const kept = values.filter((v) => v >= low && v <= high);
  const label = (v) => (Math.abs(v) < 1e3 && Math.abs(v) >= 0.1 ? fixed(v, Math.abs(v) < 1 ? 1 : 0) : power(v));
  return { values: kept, labels: kept.map((v) => (v === 0 ? "0" : label(v))), minor: [], factor: "" };
}
