// A plot of g(t) on a logarithmic axis with points that can be dragged. Plain SVG: every point is an element that
// takes the focus and the arrow keys.

const SVG = "http://www.w3.org/2000/svg"
const MARGIN = { left: 36, right: 12, top: 8, bottom: 18 }
const MOST = 8           // points
const GAP = 0.02         // least distance of two points in t
const THROTTLE = 60      // ms between messages during a drag
const STYLE = `
  .editor { position: relative; width: 100%; height: 100%; font: 11px/1 system-ui, sans-serif; user-select: none;
    --ink: #1d2126; --quiet: #5c646e; --line: #e1e2df; --paper: #ffffff; --accent: #0072b5; }
  .editor.dark { --ink: #e6e8eb; --quiet: #9aa3ae; --line: #2b3037; --paper: #1a1d22; --accent: #5cb3f2; }
  svg { display: block; width: 100%; height: 100%; touch-action: none; overflow: visible; }
  .editable svg { cursor: crosshair; }
  text { fill: var(--quiet); }
  .grid { stroke: var(--line); stroke-width: 1; fill: none; }
  .curve { stroke: var(--accent); stroke-width: 2; fill: none; stroke-linejoin: round; }
  circle { fill: var(--paper); stroke: var(--accent); stroke-width: 2; cursor: grab; outline: none; }
  circle:hover, circle:focus-visible { fill: var(--accent); }
  circle:focus-visible { stroke: var(--ink); }
  button { position: absolute; top: 4px; left: 42px; font: inherit; padding: 3px 6px; border-radius: 4px; cursor: pointer;
    color: var(--quiet); background: var(--paper); border: 1px solid var(--line); }
  button:hover, button:focus-visible { color: var(--ink); }
  .readout { position: absolute; right: 12px; bottom: 24px; color: var(--quiet); pointer-events: none; }
`

const clamp = (x, low, high) => Math.min(high, Math.max(low, x))
const tidy = (x) => Number(x.toPrecision(3))

function element(name, attributes = {}, parent = null) {
  const made = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  parent?.append(made)
  return made
}

// The monotone cubic of Fritsch and Butland through (x, y), as a function (PCHIP, as on the server).
export function pchip(x, y) {
  const n = x.length
  const h = x.slice(1).map((v, i) => v - x[i])
  const d = h.map((v, i) => (y[i + 1] - y[i]) / v)
  const end = (h0, h1, d0, d1) => {
    const m = ((2 * h0 + h1) * d0 - h0 * d1) / (h0 + h1)
    if (m * d0 <= 0) return 0
    return d0 * d1 < 0 && Math.abs(m) > 3 * Math.abs(d0) ? 3 * d0 : m
  }
  const m = new Array(n).fill(d[0])
  if (n > 2) {
    m[0] = end(h[0], h[1], d[0], d[1])
    m[n - 1] = end(h[n - 2], h[n - 3], d[n - 2], d[n - 3])
    for (let i = 1; i < n - 1; i++) {
      const [w1, w2] = [2 * h[i] + h[i - 1], h[i] + 2 * h[i - 1]]
      m[i] = d[i - 1] * d[i] <= 0 ? 0 : (w1 + w2) / (w1 / d[i - 1] + w2 / d[i])
    }
  }
  return (at) => {
    let i = 0
    while (i < n - 2 && at > x[i + 1]) i++
    const s = (at - x[i]) / h[i]
    const [a, b] = [(1 + 2 * s) * (1 - s) ** 2, s * (1 - s) ** 2]
    const [c, e] = [s * s * (3 - 2 * s), s * s * (s - 1)]
    return a * y[i] + b * h[i] * m[i] + c * y[i + 1] + e * h[i] * m[i + 1]
  }
}

function interpolate(points) {
  const log = pchip(points.map((p) => p[0]), points.map((p) => Math.log(p[1])))
  return (t) => Math.exp(log(t))
}

export function render({ model }) {
  const root = document.createElement("div")
  const style = document.createElement("style")
  style.textContent = STYLE
  const svg = element("svg", { role: "group" })
  const grid = element("g", { "aria-hidden": "true" }, svg)
  const line = element("path", { class: "curve" }, svg)
  const dots = element("g", {}, svg)
  const reset = document.createElement("button")
  reset.type = "button"
  reset.textContent = "Reset"
  reset.title = "Back to the points it began with"
  const readout = document.createElement("div")
  readout.className = "readout"
  root.append(style, svg, reset, readout)

  let points = model.points.map((p) => [...p])
  let drag = null          // {kind: "point", index} or {kind: "pen", last, moved}
  let box = { width: 280, height: 170 }
  let timer = null
  let sent = 0

  const left = () => MARGIN.left, right = () => box.width - MARGIN.right
  const top = () => MARGIN.top, bottom = () => box.height - MARGIN.bottom
  const logs = () => model.ylim.map(Math.log)
  const px = (t) => left() + t * (right() - left())
  const py = (g) => {
    const [low, high] = logs()
    return bottom() - (Math.log(g) - low) / (high - low) * (bottom() - top())
  }
  const where = (event) => {
    const frame = svg.getBoundingClientRect()
    const [low, high] = logs()
    const s = (bottom() - (event.clientY - frame.top) * box.height / frame.height) / (bottom() - top())
    const t = ((event.clientX - frame.left) * box.width / frame.width - left()) / (right() - left())
    return [clamp(t, 0, 1), Math.exp(low + clamp(s, 0, 1) * (high - low))]
  }

  function send() {
    clearTimeout(timer)
    timer = null
    sent = performance.now()
    model.points = points.map((p) => [...p])
  }
  const sendSoon = () => { timer ??= setTimeout(send, Math.max(0, THROTTLE - (performance.now() - sent))) }

  function move(index, t, g) {
    const last = points.length - 1
    const inner = index > 0 && index < last
    const [low, high] = model.ylim
    points[index] = [
      inner ? Number(clamp(t, points[index - 1][0] + GAP, points[index + 1][0] - GAP).toFixed(3)) : index === 0 ? 0 : 1,
      tidy(clamp(g, low, high)),
    ]
    draw()
    sendSoon()
  }

  function add(t, g) {
    if (points.length >= MOST || points.some((p) => Math.abs(p[0] - t) < GAP)) return
    points.push([Number(t.toFixed(3)), tidy(g)])
    points.sort((a, b) => a[0] - b[0])
    draw()
    send()
  }

  function remove(index) {
    if (index === 0 || index === points.length - 1) return
    points.splice(index, 1)
    draw()
    dots.children[index - 1].focus()
    send()
  }

  // The pen: every point that it passes takes its height. It starts from eight evenly spaced points.
  function pen([t0, g0], [t1, g1]) {
    const [low, high] = t0 < t1 ? [t0, t1] : [t1, t0]
    const reach = 0.5 / (MOST - 1)
    points = points.map(([t, g], i) => {
      const edge = (i === 0 && low < reach / 2) || (i === points.length - 1 && high > 1 - reach / 2)
      if (!edge && (t < low || t > high)) return [t, g]
      const s = t1 === t0 ? 1 : clamp((t - t0) / (t1 - t0), 0, 1)
      return [t, tidy(Math.exp(Math.log(g0) * (1 - s) + Math.log(g1) * s))]
    })
    draw()
    sendSoon()
  }

  function drawGrid() {
    const [low, high] = model.ylim
    let path = ""
    const labels = []
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
      const g = Number((10 ** e).toPrecision(6))
      if (g < low * 0.999 || g > high * 1.001) continue
      path += `M${left()} ${py(g)}H${right()}`
      labels.push([left() - 9, py(g) + 4, g, "end"])
    }
    for (const [t, name] of [[0, "0"], [0.25, ""], [0.5, "½"], [0.75, ""], [1, "1"]]) {
      path += `M${px(t)} ${top()}V${bottom()}`
      if (name) labels.push([px(t), box.height - 4, name, "middle"])
    }
    labels.push([px(0.75), box.height - 4, "t", "middle"])
    grid.replaceChildren(element("path", { class: "grid", d: path }))
    for (const [x, y, name, anchor] of labels) {
      element("text", { x, y, "text-anchor": anchor }, grid).textContent = name
    }
    element("text", { x: right() - 4, y: top() + 12, "text-anchor": "end" }, grid).textContent = "g(t)"
  }

  function draw() {
    const shown = model.editable ? points : model.curve
    let path = ""
    if (model.editable) {
      const g = interpolate(points)
      for (let k = 0; k <= 100; k++) path += `${k ? "L" : "M"}${px(k / 100).toFixed(1)} ${py(g(k / 100)).toFixed(1)}`
    } else {
      const [low, high] = model.ylim
      shown.forEach(([t, g], k) => {
        path += `${k ? "L" : "M"}${px(t).toFixed(1)} ${py(clamp(g, low, high)).toFixed(1)}`
      })
    }
    line.setAttribute("d", path)
    svg.setAttribute("aria-label", model.editable
      ? `Noise strength g of t, ${points.length} points. Arrow keys move a point, plus adds one, Delete removes it.`
      : "Noise strength g of t")
    const wanted = model.editable ? points.length : 0
    while (dots.children.length > wanted) dots.lastChild.remove()
    while (dots.children.length < wanted) dots.append(newDot())
    points.slice(0, wanted).forEach(([t, g], i) => {
      const values = { cx: px(t), cy: py(clamp(g, ...model.ylim)), "aria-label": `Point ${i + 1} of ${wanted}`,
        "aria-valuenow": g, "aria-valuemin": model.ylim[0], "aria-valuemax": model.ylim[1],
        "aria-valuetext": `t ${t}, g ${g}` }
      for (const [key, value] of Object.entries(values)) dots.children[i].setAttribute(key, value)
    })
    const held = drag?.kind === "point" ? drag.index : [...dots.children].indexOf(root.getRootNode().activeElement)
    readout.textContent = held >= 0 && held < wanted ? `t = ${points[held][0]}, g = ${points[held][1]}` : ""
  }

  function newDot() {
    const dot = element("circle", { r: 6, role: "slider", tabindex: 0, "aria-orientation": "vertical" })
    const index = () => [...dots.children].indexOf(dot)
    dot.addEventListener("pointerdown", (event) => {
      event.stopPropagation()
      drag = { kind: "point", index: index() }
      svg.setPointerCapture(event.pointerId)
      dot.focus()
    })
    dot.addEventListener("focus", draw)
    dot.addEventListener("blur", draw)
    dot.addEventListener("keydown", (event) => {
      const i = index(), [t, g] = points[i]
      const factor = event.shiftKey ? 1.5 : 1.05, shift = event.shiftKey ? 0.05 : 0.01
      const actions = {
        ArrowUp: () => move(i, t, g * factor), ArrowDown: () => move(i, t, g / factor),
        ArrowRight: () => move(i, t + shift, g), ArrowLeft: () => move(i, t - shift, g),
        Delete: () => remove(i), Backspace: () => remove(i),
        "+": () => {
          const next = i < points.length - 1 ? i + 1 : i - 1
          const middle = (t + points[next][0]) / 2
          add(middle, interpolate(points)(middle))
        },
      }
      if (!actions[event.key]) return
      event.preventDefault()
      event.stopPropagation()
      actions[event.key]()
    })
    return dot
  }

  svg.addEventListener("pointerdown", (event) => {
    if (!model.editable || event.button !== 0) return
    const near = points.findIndex((p) => Math.hypot(px(p[0]) - px(where(event)[0]), py(p[1]) - py(where(event)[1])) < 16)
    if (near >= 0) drag = { kind: "point", index: near }  // close is close enough for a finger
    else drag = { kind: "pen", last: where(event), x: event.clientX, y: event.clientY, moved: false }
    svg.setPointerCapture(event.pointerId)
  })
  svg.addEventListener("pointermove", (event) => {
    if (!drag) return
    const at = where(event)
    if (drag.kind === "point") return move(drag.index, ...at)
    if (!drag.moved) {
      if (Math.abs(event.clientX - drag.x) < 6) return  // a stroke has some width
      drag.moved = true
      if (points.length < MOST) {
        const g = interpolate(points)
        points = Array.from({ length: MOST }, (_, i) => i / (MOST - 1)).map((t) => [Number(t.toFixed(3)), tidy(g(t))])
      }
    }
    pen(drag.last, at)
    drag.last = at
  })
  const finish = () => {
    const changed = drag && (drag.kind === "point" || drag.moved)
    drag = null
    if (changed && timer !== null) send()
    draw()
  }
  svg.addEventListener("pointerup", finish)
  svg.addEventListener("pointercancel", finish)
  svg.addEventListener("dblclick", (event) => {  // the pointer is captured here, so a point does not hear of it
    if (!model.editable) return
    const [t, g] = where(event)
    const hit = points.findIndex((p) => Math.hypot(px(p[0]) - px(t), py(p[1]) - py(g)) < 10)
    hit < 0 ? add(t, g) : remove(hit)
  })
  reset.addEventListener("click", () => { points = model.initial.map((p) => [...p]); draw(); send() })

  function look() {
    root.className = `editor${model.dark ? " dark" : ""}${model.editable ? " editable" : ""}`
    reset.hidden = !model.editable
    drawGrid()
    draw()
  }
  model.on("points", () => { if (!drag) { points = model.points.map((p) => [...p]); draw() } })
  model.on("curve", draw)
  for (const name of ["ylim", "dark", "editable"]) model.on(name, look)
  const observer = new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = root
    if (!width || !height) return
    box = { width, height }
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`)
    look()
  })
  observer.observe(root)
  model.on("remove", () => { observer.disconnect(); clearTimeout(timer) })
  look()
  return root
}
