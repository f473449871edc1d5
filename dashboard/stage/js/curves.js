// Lines, bands, histograms and rules.

export function drawLine(ctx, series, view) {
  const { sx, sy } = view;
  const x = series.x.at(view.frame, view.fraction);
  const y = series.y.at(view.frame, view.fraction);
  ctx.beginPath();
  let down = false;
  for (let i = 0; i < y.length; i++) {
    const px = sx.pixel(x[i]);
    const py = sy.pixel(y[i]);
    if (px !== px || py !== py) down = false;
    else if (down) ctx.lineTo(px, py);
    else { ctx.moveTo(px, py); down = true; }
  }
  ctx.globalAlpha = series.opacity;
  ctx.strokeStyle = view.theme.colour(series.color);
  ctx.lineWidth = series.width;
  ctx.lineJoin = "round";
  ctx.setLineDash(series.dash ? [6, 4] : []);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.globalAlpha = 1;
}

export function drawBand(ctx, series, view) {
  const { sx, sy } = view;
  const x = series.x.at(view.frame, view.fraction);
  const low = series.low.at(view.frame, view.fraction);
  const high = series.high.at(view.frame, view.fraction);
  ctx.beginPath();
  const gap = (i) => !(x[i] === x[i] && low[i] === low[i] && high[i] === high[i]);
  for (let i = 0; i < x.length; ) {
    while (i < x.length && gap(i)) i++;
    const first = i;
    for (; i < x.length && !gap(i); i++) {
      if (i === first) ctx.moveTo(sx.pixel(x[i]), sy.pixel(high[i]));
      else ctx.lineTo(sx.pixel(x[i]), sy.pixel(high[i]));
    }
    for (let j = i - 1; j >= first; j--) ctx.lineTo(sx.pixel(x[j]), sy.pixel(low[j]));
    if (i > first) ctx.closePath();
  }
  ctx.globalAlpha = series.opacity;
  ctx.fillStyle = view.theme.colour(series.color);
  ctx.fill();
  ctx.globalAlpha = 1;
}

export function drawBars(ctx, series, view) {
  const { sx, sy, box } = view;
  const edges = series.edges.at(view.frame, view.fraction);
  const heights = series.heights.at(view.frame, view.fraction);
  const floor = Math.min(sy.pixel(0), box.y + box.h + 2);
  ctx.beginPath();
  ctx.moveTo(sx.pixel(edges[0]), floor);
  for (let i = 0; i < heights.length; i++) {
    const y = heights[i] === heights[i] ? sy.pixel(heights[i]) : floor;
    ctx.lineTo(sx.pixel(edges[i]), y);
    ctx.lineTo(sx.pixel(edges[i + 1]), y);
  }
  ctx.lineTo(sx.pixel(edges[heights.length]), floor);
  ctx.fillStyle = ctx.strokeStyle = view.theme.colour(series.color);
  ctx.globalAlpha = series.opacity;
  ctx.fill();
  ctx.globalAlpha = Math.min(1, series.opacity + 0.45);
  ctx.lineWidth = 1;
  ctx.stroke();
  ctx.globalAlpha = 1;
}

export function drawRule(ctx, series, view) {
  const { sx, sy, box, theme } = view;
  const upright = Boolean(series.x);
  const value = (series.x || series.y).at(view.frame, view.fraction)[0];
  const at = upright ? sx.pixel(value) : sy.pixel(value);
  if (at !== at) return;
  ctx.beginPath();
  if (upright) { ctx.moveTo(at, box.y); ctx.lineTo(at, box.y + box.h); }
  else { ctx.moveTo(box.x, at); ctx.lineTo(box.x + box.w, at); }
  ctx.strokeStyle = theme.colour(series.color);
  ctx.lineWidth = 1.5;
  ctx.setLineDash(series.dash ? [5, 4] : []);
  ctx.stroke();
  ctx.setLineDash([]);
  if (!series.label) return;
  ctx.font = theme.small;
  const width = ctx.measureText(series.label).width;
  const before = upright && at + width + 8 > box.x + box.w;
  ctx.textAlign = upright && !before ? "left" : "right";
  ctx.textBaseline = upright || at - theme.size - 4 < box.y ? "top" : "bottom";
  const x = upright ? at + (before ? -5 : 5) : box.x + box.w - 4;
  const y = upright ? box.y + 3 : at + (ctx.textBaseline === "top" ? 3 : -3);
  haloed(ctx, series.label, x, y, theme.colour(series.color), theme.paper);
}

// Text that stays readable over lines.
export function haloed(ctx, text, x, y, colour, paper) {
  ctx.lineJoin = "round";
  ctx.lineWidth = 3;
  ctx.strokeStyle = paper;
  ctx.globalAlpha = 0.8;
  ctx.strokeText(text, x, y);
  ctx.globalAlpha = 1;
  ctx.fillStyle = colour;
  ctx.fillText(text, x, y);
}
