// What lies under the pointer, as rows of text.
import { readable } from "./format.js";
import { locate } from "./block.js";
import { imageValue } from "./image.js";

// Linear interpolation in a rising row of x; null outside or in a gap.
export function valueAt(x, y, at) {
  const n = x.length;
  if (n < 2 || !(x[0] <= at && at <= x[n - 1])) return null;
  let low = 0;
  let high = n - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle] <= at) low = middle;
    else high = middle;
  }
  const value = y[low] + ((at - x[low]) / (x[high] - x[low] || 1)) * (y[high] - y[low]);
  return Number.isFinite(value) ? value : null;
}

function rising(x) {
  for (let i = 1; i < x.length; i++) if (!(x[i] > x[i - 1])) return false;
  return true;
}

// {head, rows: [{colour, label, text}]} or null where there is nothing to say.
export function readout(view, hidden, px, py) {
  const { spec, box, sx, sy, theme } = view;
  if (px < box.x || px > box.x + box.w || py < box.y || py > box.y + box.h) return null;
  const [x, y] = [sx.invert(px), sy.invert(py)];
  const rows = [];
  let head = `${spec.xlabel || "x"} = ${readable(x)}`;
  for (const series of spec.series) {
    if (hidden.has(series.label)) continue;
    const colour = theme.colour(series.color);
    const label = series.label || spec.ylabel;
    if (series.kind === "line" || series.kind === "band") {
      const xs = series.x.at(view.frame, view.fraction);
      if (!rising(xs)) continue;
      const read = (track) => valueAt(xs, track.at(view.frame, view.fraction), x);
      if (series.kind === "line") {
        const value = read(series.y);
        if (value !== null) rows.push({ colour, label, text: readable(value) });
      } else if (series.label) {
        const [low, high] = [read(series.low), read(series.high)];
        if (low !== null && high !== null) rows.push({ colour, label, text: `${readable(low)} … ${readable(high)}` });
      }
    } else if (series.kind === "bars") {
      const edges = series.edges.at(view.frame, view.fraction);
      const bin = edges.findIndex((edge, i) => edge <= x && x < edges[i + 1]);
      if (bin >= 0) rows.push({ colour, label, text: readable(series.heights.at(view.frame, view.fraction)[bin], 3) });
    } else if (series.kind === "image") {
      const found = imageValue(series, view, x, y);
      if (found) {
        head = spec.hide_axes ? `(${found.column}, ${found.row})` : `(${readable(x, 3)}, ${readable(y, 3)})`;
        rows.push({ colour: "transparent", label: series.label || "value", text: readable(found.value, 3) });
      }
    }
  }
  if (!rows.length) {
    if (spec.series.some((s) => s.kind === "points" || s.kind === "arrows")) return { head: `(${readable(x, 3)}, ${readable(y, 3)})`, rows };
    return spec.series.some((s) => s.kind === "bundle") ? { head: `${spec.ylabel || "y"} = ${readable(y, 3)}`, rows } : null;
  }
  return { head: spec.clock ? captionAt(view, x) : head, rows };
}

// In clock panels the pointer's position is named by the caption of its frame.
function captionAt(view, position) {
  const { scene } = view;
  return scene.captions.length ? scene.captions[locate(scene.positions, position).frame] : readable(position);
}
