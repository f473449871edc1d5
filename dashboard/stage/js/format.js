// Numbers as text: true minus sign, powers of ten with raised digits, thin spaces between thousands.

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

export function raised(integer) {
  return String(integer).split("").map((c) => RAISED[c]).join("");
}

export function minus(text) {
  return text.replace(/-/g, "−");
}

// A number with a fixed count of decimals.
export function fixed(value, decimals) {
  const [whole, fraction] = Math.abs(value).toFixed(decimals).split(".");
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, "\u2009") : whole;
  const zero = Number(value.toFixed(decimals)) === 0;
  return (value < 0 && !zero ? "−" : "") + grouped + (fraction ? "." + fraction : "");
}

// 10ⁿ, or m×10ⁿ where the mantissa is not 1.
export function power(value) {
  const exponent = Math.floor(Math.log10(Math.abs(value)) + 1e-9);
  const mantissa = value / 10 ** exponent;
  const size = Math.abs(mantissa);
  const head = Math.abs(size - 1) < 1e-6 ? "" : Number(size.toPrecision(3)) + "×";
  return (value < 0 ? "−" : "") + head + "10" + raised(exponent);
}

// A value for reading off, with the given number of significant digits.
export function readable(value, digits = 4) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e6 || size < 1e-4) {
    const exponent = Math.floor(Math.log10(size));
    return fixed(value / 10 ** exponent, digits - 1) + "×10" + raised(exponent);
  }
  return fixed(value, Math.max(0, digits - 1 - Math.floor(Math.log10(size))));
}
