// Title, note and legend above the plot, so that they never cover data.

const SWATCH = 22;

// Where everything stands, relative to the header's left edge: {height, row, entries: [{series, text, x, y, width}], noteAt,
// span}; span is the width that is really needed.
export function layHeader(ctx, view, width) {
  const { spec, theme } = view;
  const row = Math.round(theme.size * 1.55);
  const measure = (font, text) => { ctx.font = font; return ctx.measureText(text).width; };
  const labelled = spec.legend ? spec.series.filter((s) => s.label && s.kind !== "image" && s.kind !== "rule") : [];
  const entries = labelled.map((series) => ({ series, text: series.label, width: SWATCH + measure(theme.font, series.label) + 14 }));
  const title = spec.title ? measure(theme.bold, spec.title) + 12 : 0;
  const note = spec.note ? measure(theme.small, spec.note) + 14 : 0;
  const all = entries.reduce((sum, entry) => sum + entry.width, 0);
  const beside = title + note + all <= width;
  let x = beside ? width - all + 14 : 0;
  let line = beside || title + note === 0 ? 0 : 1;
  for (const entry of entries) {
    if (!beside && x > 0 && x + entry.width - 14 > width) { x = 0; line += 1; }
    Object.assign(entry, { x, y: line * row });
    x += entry.width;
  }
  const rightmost = Math.max(title + note, ...entries.map((entry) => entry.x + entry.width - 14));
  const span = Math.min(width, beside ? title + note + all : rightmost);
  const rows = entries.length ? line + 1 : title + note > 0 ? 1 : 0;
  return { height: rows * row + (rows ? 5 : 6), row, entries, noteAt: title, span, width };
}

// As much of a text as finds room.
function shortened(ctx, text, room) {
  if (ctx.measureText(text).width <= room) return text;
  let end = text.length;
  while (end > 0 && ctx.measureText(`${text.slice(0, end)}…`).width > room) end--;
  return end > 0 ? `${text.slice(0, end).trimEnd()}…` : "";
}

export function drawHeader(ctx, view, header, hidden) {
  const { spec, theme, box } = view;
  const top = box.y - header.height;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  if (spec.title) {
    ctx.font = theme.bold;
    ctx.fillStyle = theme.text;
    ctx.fillText(spec.title, header.left, top + header.row / 2);
  }
  if (spec.note) {
    ctx.font = theme.small;
    ctx.fillStyle = theme.soft;
    ctx.fillText(shortened(ctx, spec.note, header.width - header.noteAt), header.left + header.noteAt, top + header.row / 2 + 0.5);
  }
  ctx.font = theme.font;
  for (const entry of header.entries) {
    const y = top + entry.y + header.row / 2;
    ctx.globalAlpha = hidden.has(entry.text) ? 0.35 : 1;
    swatch(ctx, entry.series, theme, header.left + entry.x, y);
    ctx.fillStyle = theme.text;
    ctx.fillText(entry.text, header.left + entry.x + SWATCH, y);
  }
  ctx.globalAlpha = 1;
}

function swatch(ctx, series, theme, x, y) {
  const colour = theme.colour(series.color);
  const alpha = ctx.globalAlpha;
  ctx.fillStyle = ctx.strokeStyle = colour;
  if (series.kind === "band" || series.kind === "bars") {
    ctx.globalAlpha = alpha * Math.min(1, series.opacity + 0.1);
    ctx.fillRect(x, y - 5, 16, 10);
    ctx.globalAlpha = alpha;
  } else if (series.kind === "points") {
    ctx.beginPath();
    ctx.arc(x + 8, y, 4, 0, 2 * Math.PI);
    ctx.fill();
  } else {
    ctx.lineWidth = Math.max(2, series.width || 2);
    ctx.setLineDash(series.dash ? [5, 3] : []);
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(x + 16, y);
    ctx.stroke();
    ctx.setLineDash([]);
  }
}

// The legend entry under a point of the panel, or undefined.
export function entryAt(view, header, x, y) {
  const top = view.box.y - header.height;
  return header.entries.find((entry) => {
    const [dx, dy] = [x - header.left - entry.x, y - top - entry.y];
    return dx >= -2 && dx < entry.width - 8 && dy >= 0 && dy < header.row;
  });
}
