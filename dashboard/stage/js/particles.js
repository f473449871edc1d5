// Particles, bundles of trajectories and arrow fields.

// Many equal discs: one is drawn, the others are copies of it.
export function drawPoints(ctx, series, view) {
  const { sx, sy, box, theme } = view;
  const x = series.x.at(view.frame, view.fraction);
  const y = series.y.at(view.frame, view.fraction);
  const disc = stamp(series, theme.colour(series.color), view.dpr);
  const half = disc.side / 2;
  ctx.globalAlpha = series.opacity;
  for (let i = 0; i < x.length; i++) {
    const px = sx.pixel(x[i]);
    const py = sy.pixel(y[i]);
    if (px > box.x - half && px < box.x + box.w + half && py > box.y - half && py < box.y + box.h + half) {
      ctx.drawImage(disc.canvas, px - half, py - half, disc.side, disc.side);
    }
  }
  ctx.globalAlpha = 1;
}

function stamp(series, colour, dpr) {
  const key = colour + dpr;
  if (series.disc && series.disc.key === key) return series.disc;
  const side = series.size + 2;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.ceil(side * dpr);
  const pen = canvas.getContext("2d");
  pen.scale(canvas.width / side, canvas.width / side);
  pen.fillStyle = colour;
  pen.arc(side / 2, side / 2, series.size / 2, 0, 2 * Math.PI);
  pen.fill();
  canvas.disc = { colour, radius: series.size / 2 }; // for drawings that are no pixels
  series.disc = { canvas, key, side };
  return series.disc;
}

// All trajectories, each as one thin line.
export function drawBundle(ctx, series, view, strength = 1) {
  const { sx, sy } = view;
  const t = series.t.data;
  const y = series.y.data;
  const [paths, steps] = series.y.shape;
  const xs = Float32Array.from(t, (value) => sx.pixel(value));
  ctx.strokeStyle = view.theme.colour(series.color);
  ctx.lineWidth = 1.1;
  ctx.lineJoin = "round";
  ctx.globalAlpha = Math.min(1, series.opacity * strength);
  for (let path = 0; path < paths; path++) {
    ctx.beginPath();
    let down = false;
    for (let i = 0; i < steps; i++) {
      const py = sy.pixel(y[path * steps + i]);
      if (py !== py || xs[i] !== xs[i]) down = false;
      else if (down) ctx.lineTo(xs[i], py);
      else { ctx.moveTo(xs[i], py); down = true; }
    }
    ctx.stroke();
  }
  ctx.globalAlpha = 1;
}

// A dot on every trajectory at the present position.
export function drawBundleDots(ctx, series, view) {
  const { sx, sy, theme } = view;
  const t = series.t.data;
  const [paths, steps] = series.y.shape;
  if (view.position < t[0] || view.position > t[steps - 1] + 1e-6) return;
  let i = 0;
  while (i < steps - 2 && t[i + 1] <= view.position) i++;
  const span = t[i + 1] - t[i];
  const part = steps > 1 && span > 0 ? Math.min(1, (view.position - t[i]) / span) : 0;
  const px = sx.pixel(view.position);
  ctx.fillStyle = theme.colour(series.color);
  ctx.beginPath();
  for (let path = 0; path < paths; path++) {
    const a = series.y.data[path * steps + i];
    const b = part > 0 ? series.y.data[path * steps + i + 1] : a;
    const py = sy.pixel(a + part * (b - a));
    if (py !== py) continue;
    ctx.moveTo(px + 2.6, py);
    ctx.arc(px, py, 2.6, 0, 2 * Math.PI);
  }
  ctx.fill();
}

// Arrows in proportion, the longest as long as the distance between neighbours.
export function drawArrows(ctx, series, view) {
  const { sx, sy, theme } = view;
  const [x, y] = [series.x.data, series.y.data];
  const u = series.u.at(view.frame, view.fraction);
  const v = series.v.at(view.frame, view.fraction);
  let longest = 0;
  for (let i = 0; i < u.length; i++) if (u[i] === u[i] && v[i] === v[i]) longest = Math.max(longest, Math.hypot(u[i] * sx.slope, v[i] * sy.slope));
  if (!(longest > 0)) return;
  const reach = spacing(series, view) / longest;
  ctx.strokeStyle = ctx.fillStyle = theme.colour(series.color);
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  const heads = [];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [u[i] * sx.slope * reach, v[i] * sy.slope * reach];
    const length = Math.hypot(dx, dy);
    if (!(length > 1.5)) continue;
    const [px, py] = [sx.pixel(x[i]), sy.pixel(y[i])];
    const head = Math.min(6, 0.5 * length);
    const [ex, ey] = [dx / length, dy / length];
    ctx.moveTo(px - dx / 2, py - dy / 2);
    ctx.lineTo(px + dx / 2 - ex * head * 0.8, py + dy / 2 - ey * head * 0.8);
    heads.push([px + dx / 2, py + dy / 2, ex * head, ey * head]);
  }
  ctx.stroke();
  ctx.beginPath();
  for (const [tx, ty, hx, hy] of heads) {
    ctx.moveTo(tx, ty);
    ctx.lineTo(tx - hx - hy * 0.45, ty - hy + hx * 0.45);
    ctx.lineTo(tx - hx + hy * 0.45, ty - hy - hx * 0.45);
  }
  ctx.fill();
}

// Pixels between neighbours, from the area that the arrows cover.
function spacing(series, view) {
  const extent = (values) => { const finite = Array.from(values); return Math.max(...finite) - Math.min(...finite); };
  series.cover = series.cover || [extent(series.x.data), extent(series.y.data)];
  const area = Math.abs(series.cover[0] * view.sx.slope * series.cover[1] * view.sy.slope);
  return Math.sqrt(area) / Math.max(1, Math.sqrt(series.x.data.length) - 1) || 20;
}
