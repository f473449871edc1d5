// Frame, grid, ticks and axis titles of one panel.

const TICK = 4;
const GAP = 4;

function widest(ctx, texts) {
  return texts.reduce((width, text) => Math.max(width, ctx.measureText(text).width), 0);
}

// The named positions of the scene that find room: all, every other one, the ends and the middle, the ends, the first.
function clockTicks(ctx, view) {
  const { scene, sx, box } = view;
  const seen = scene.ticks.filter(([value]) => { const x = sx.pixel(value); return x > box.x - 1 && x < box.x + box.w + 1; });
  const all = seen.map(([value, label]) => {
    const half = ctx.measureText(label).width / 2;
    const x = Math.min(Math.max(sx.pixel(value), box.x + half - 12), box.x + box.w - half + 12);
    return { value, label, x, half };
  });
  const last = all.length - 1;
  const choices = [() => true, (i) => i % 2 === 0, (i) => i === 0 || i === last || 2 * i === last, (i) => i === 0 || i === last, (i) => i === 0];
  const fits = (row) => row.every((tick, i) => !i || tick.x - tick.half > row[i - 1].x + row[i - 1].half + 8);
  const kept = choices.map((choice) => all.filter((_, i) => choice(i))).find(fits) || [];
  return { values: kept.map((t) => t.value), labels: kept.map((t) => t.label), places: kept.map((t) => t.x), minor: [], factor: "" };
}

// Ticks of the x axis that do not touch each other.
export function ticksX(ctx, view) {
  const { spec, scene, sx, box } = view;
  if (spec.clock && scene.ticks.length) return clockTicks(ctx, view);
  for (let count = Math.max(3, Math.floor(box.w / 62)); ; count--) {
    const ticks = sx.ticks(count);
    const room = ticks.values.length > 1 ? Math.abs(sx.pixel(ticks.values[1]) - sx.pixel(ticks.values[0])) : box.w;
    if (count <= 1 || widest(ctx, ticks.labels) + 12 < room) return ticks;
  }
}

export function ticksY(view) {
  return view.sy.ticks(Math.max(3, Math.floor(view.box.h / (view.theme.size * 3.1))));
}

// Room that ticks and titles need at the left and below.
export function axesRoom(ctx, view, labelsY) {
  const { spec, theme } = view;
  if (spec.hide_axes) return { left: 1, bottom: 1 };
  ctx.font = theme.font;
  const title = theme.size * 1.6;
  return {
    left: TICK + GAP + widest(ctx, labelsY) + (spec.ylabel ? title : 2),
    bottom: TICK + theme.size * 1.35 + (spec.xlabel ? title : 2),
  };
}

export function drawGrid(ctx, view) {
  const { spec, theme, box, sx, sy } = view;
  if (spec.hide_axes || view.images.length) return;
  ctx.font = theme.font;
  ctx.strokeStyle = theme.grid;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (const value of ticksX(ctx, view).values) {
    const x = Math.round(sx.pixel(value)) + 0.5;
    ctx.moveTo(x, box.y);
    ctx.lineTo(x, box.y + box.h);
  }
  for (const value of ticksY(view).values) {
    const y = Math.round(sy.pixel(value)) + 0.5;
    ctx.moveTo(box.x, y);
    ctx.lineTo(box.x + box.w, y);
  }
  ctx.stroke();
}

export function drawAxes(ctx, view, marginLeft) {
  const { spec, theme, box, sx, sy } = view;
  if (spec.hide_axes) return;
  const left = Math.round(box.x) + 0.5;
  const foot = Math.round(box.y + box.h) + 0.5;
  ctx.font = theme.font;
  const across = ticksX(ctx, view);
  const up = ticksY(view);
  ctx.strokeStyle = theme.axis;
  ctx.lineWidth = 1;
  ctx.beginPath();
  if (view.images.length) ctx.rect(left, Math.round(box.y) + 0.5, Math.round(box.w), foot - Math.round(box.y) - 0.5);
  else {
    ctx.moveTo(left, box.y);
    ctx.lineTo(left, foot);
    ctx.lineTo(box.x + box.w, foot);
  }
  for (const value of across.values) {
    const x = Math.round(sx.pixel(value)) + 0.5;
    ctx.moveTo(x, foot);
    ctx.lineTo(x, foot + TICK);
  }
  const side = (values, length) => {
    for (const value of values) {
      const y = Math.round(sy.pixel(value)) + 0.5;
      ctx.moveTo(left - length, y);
      ctx.lineTo(left, y);
    }
  };
  side(up.values, TICK);
  side(up.minor, TICK / 2);
  ctx.stroke();

  ctx.fillStyle = theme.text;
  ctx.textBaseline = "top";
  ctx.textAlign = "center";
  across.labels.forEach((label, i) => {
    ctx.fillText(label, across.places ? across.places[i] : sx.pixel(across.values[i]), foot + TICK + 3);
  });
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  up.labels.forEach((label, i) => ctx.fillText(label, left - TICK - GAP, sy.pixel(up.values[i]) + 0.5));

  ctx.fillStyle = theme.soft;
  ctx.font = theme.small;
  if (up.factor) {
    ctx.textAlign = "right";
    ctx.textBaseline = "bottom";
    ctx.fillText(up.factor, left - 2 * TICK, box.y - 8);
  }
  if (across.factor) {
    ctx.textAlign = "right";
    ctx.textBaseline = "bottom";
    ctx.fillText(across.factor, box.x + box.w, foot - 3);
  }
  ctx.fillStyle = theme.text;
  ctx.font = theme.font;
  ctx.textBaseline = "alphabetic";
  ctx.textAlign = "center";
  if (spec.xlabel) ctx.fillText(spec.xlabel, box.x + box.w / 2, foot + TICK + theme.size * 2.55);
  if (spec.ylabel) {
    ctx.save();
    ctx.translate(box.x - marginLeft + theme.size, box.y + box.h / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.fillText(spec.ylabel, 0, 0);
    ctx.restore();
  }
}
