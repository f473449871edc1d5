// The component: ties scene, player, pictures and controls to the model that Python sees.
import { fill, unpack } from "./block.js";
import { Brush } from "./brush.js";
import { Controls } from "./controls.js";
import { Export } from "./export.js";
import { follow } from "./frames.js";
import { Grid } from "./grid.js";
import { listen, unlisten } from "./keyboard.js";
import { Player } from "./player.js";
import { readout } from "./readout.js";
import { dragPosition } from "./scrubber.js";
import { inkProperties, makeTheme } from "./theme.js";

class StageView {
  constructor(model) {
    this.model = model;
    this.root = this.make("stage-root", null);
    this.root.tabIndex = 0;
    this.root.setAttribute("role", "group");
    this.busy = this.make("stage-busy");
    this.gridHost = this.make("stage-grid");
    this.player = new Player(() => this.request(), () => this.tell());
    this.controls = new Controls(this.player, {
      play: () => this.player.play(!this.player.playing),
      step: (frames) => this.player.step(frames),
      restart: () => this.player.restart(),
      loop: () => { model.loop = this.player.loop = !this.player.loop; this.refresh(); },
      speed: (value) => { model.speed = this.player.speed = value; },
    });
    this.root.append(this.controls.el);
    this.message = this.make("stage-message");
    this.message.setAttribute("role", "alert");
    this.tip = this.make("stage-readout");
    this.tip.hidden = true;
    this.export = new Export(this);
    this.grid = new Grid(this.gridHost);
    this.brush = new Brush((points, begins) => model.send_msg({ paint: points, begins }), () => this.request());
    this.scene = null;
    this.pending = 0;
    this.drawnFrames = 0;
    this.loadedScenes = 0;
    this.unaligned = true;
    this.visible = true;
    this.pointer = null;
    this.bindPointer();
    this.sizes = new ResizeObserver(() => { this.unaligned = true; this.request(); });
    this.sizes.observe(this.gridHost);
    this.sight = new IntersectionObserver((seen) => { this.visible = seen[seen.length - 1].isIntersecting; this.request(); });
    this.sight.observe(this.root);
    listen(this);
    this.bindModel();
  }

  make(name, parent = this.root) {
    const el = document.createElement("div");
    el.className = name;
    if (parent) parent.append(el);
    return el;
  }

  bindModel() {
    const { model, player } = this;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    player.position = model.position;
    if (model.playing && still) model.playing = false;
    player.playing = model.playing;
    model.on(["block", "era"], () => queueMicrotask(() => this.renew())); // both have changed by then
    model.on("rewinds", () => { this.rewind = true; this.request(); });
    model.on("position", () => { if (model.position !== this.told) player.seek(model.position); });
    model.on("playing", () => { if (model.playing !== player.playing) player.play(model.playing); this.refresh(); });
    model.on("areas", () => { if (this.scene) this.arrange(); });
    model.on(["paintable", "brush_radius"], () => this.readyBrush());
    model.on(["speed", "loop", "controls", "dark", "error", "busy", "status", "label"], () => this.refresh());
    model.on("msg:custom", (message) => {
      if (!message || !(message.scene || message.values)) return;
      if (message.scene) {
        this.load(message.scene);
        this.formed = message.serial;
      } else if (message.form === this.formed) this.put(fill(this.form, message.values));
      else model.send_msg({ ready: true }); // another scene came in between: a whole one is needed
      if (this.formed) player.seek(player.end);
      this.serial = message.serial;
    });
    model.on("remove", () => this.remove());
    this.era = model.era;
    this.load(model.block);
    this.refresh();
    this.unfollow = follow(model.stream, (part) => this.streamed(part), () => model.send_msg({ ready: true }));
  }

  // A streamed scene, unless another one was shown after it; the two come on different sockets, in any order.
  streamed({ era, scene }) {
    if (era < this.era) return;
    this.era = era;
    this.live = true;
    this.put(scene);
    this.player.seek(this.player.end);
  }

  // The scene that is shown, unless a later one is being streamed.
  renew() {
    if (this.model.era < this.era || (this.live && this.model.era === this.era)) return;
    this.era = this.model.era;
    this.live = false;
    this.load(this.model.block);
  }

  bindPointer() {
    const place = (event) => {
      const host = event.target.closest(".stage-panel");
      const panel = host && this.grid.panels.get(host.dataset.panel);
      if (!panel || !panel.view) return null;
      const rect = host.getBoundingClientRect();
      return { panel, host, rect, x: event.clientX - rect.left, y: event.clientY - rect.top };
    };
    this.gridHost.addEventListener("pointermove", (event) => {
      const at = (this.pointer = place(event));
      if (at) at.host.style.cursor = at.panel.cursorAt(at.x, at.y);
      this.request();
    });
    this.gridHost.addEventListener("pointerleave", () => { this.pointer = null; this.request(); });
    this.gridHost.addEventListener("pointerdown", (event) => {
      const at = place(event);
      if (!at || event.button) return;
      this.root.focus({ preventScroll: true });
      if (at.panel.toggleAt(at.x, at.y)) { this.request(); return; }
      if (at.panel.paintsAt(at.x, at.y)) { if (!this.brush.active) this.brush.stroke(at, event); return; }
      if (at.panel.scrubsAt(at.x, at.y)) {
        dragPosition(at.host, event, this.player, (e) => at.panel.view.sx.invert(e.clientX - at.rect.left));
      }
    });
  }

  load(block) {
    if (!block || !block.byteLength) return;
    const { form, scene } = unpack(block);
    this.form = form;
    this.formed = 0; // number of the streamed scene that had this form
    this.put(scene);
  }

  put(scene) {
    this.scene = scene;
    this.loadedScenes += 1;
    this.player.load(this.scene);
    this.controls.load(this.scene);
    this.arrange();
  }

  // Puts the panels of the scene, or those that are wanted, in their places.
  arrange() {
    this.grid.load(this.scene, this.model.areas);
    this.unaligned = true;
    if (this.pointer && !this.pointer.host.isConnected) this.pointer = null;
    this.readyBrush();
  }

  readyBrush() {
    this.brush.radius = this.model.brush_radius;
    for (const [id, panel] of this.grid.panels) {
      panel.paintable = id === this.model.paintable;
      panel.host.classList.toggle("paintable", panel.paintable);
    }
    this.request();
  }

  refresh() {
    const { model, player } = this;
    player.speed = model.speed;
    player.loop = model.loop;
    this.root.classList.toggle("dark", model.dark);
    for (const [name, value] of Object.entries(inkProperties(model.dark))) this.root.style.setProperty(name, value);
    this.root.classList.toggle("failed", Boolean(model.error));
    this.root.setAttribute("aria-label", model.label);
    this.root.setAttribute("aria-busy", String(model.busy));
    this.message.textContent = model.error;
    this.busy.hidden = !model.busy;
    this.controls.el.hidden = !model.controls;
    this.export.place(this.controls.buttons, model.controls);
    this.controls.refresh(model.status);
    if (this.dark !== model.dark) this.unaligned = true;
    this.dark = model.dark;
    this.request();
  }

  // Python hears of the position when it comes to rest.
  tell() {
    const { model, player } = this;
    this.told = player.position;
    if (model.playing !== player.playing) model.playing = player.playing;
    if (!player.playing && model.position !== player.position) model.position = player.position;
    this.controls.refresh(model.status);
  }

  key(event) {
    const { player } = this;
    if (event.key === " ") player.play(!player.playing);
    else if (event.key === "ArrowLeft") player.step(event.shiftKey ? -10 : -1);
    else if (event.key === "ArrowRight") player.step(event.shiftKey ? 10 : 1);
    else if (event.key === "Home" || event.key === "r") player.restart();
    else return false;
    return true;
  }

  request() {
    if (!this.pending) this.pending = requestAnimationFrame((now) => this.frame(now));
  }

  frame(now) {
    this.pending = 0;
    if (this.rewind) this.player.restart(); // here, so that the new scene is there whatever came first
    this.rewind = false;
    if (this.player.running) {
      this.player.advance(now);
      if (this.visible) this.request();
    }
    if (this.scene && this.gridHost.clientWidth > 20) this.paint();
    if (this.serial) {
      this.model.send_msg({ drawn: this.serial });
      this.serial = 0;
    }
  }

  paint() {
    const dpr = window.devicePixelRatio || 1;
    if (this.unaligned || dpr !== this.dpr) {
      this.dpr = dpr;
      this.unaligned = false;
      this.theme = makeTheme(this.model.dark, this.gridHost.clientWidth, this.enlargement());
      this.grid.arrange(this.theme);
      this.controls.scrubber.resize();
    }
    const moment = this.player.moment();
    this.grid.draw(moment, this.theme, dpr);
    this.controls.update(moment, this.scene);
    this.brush.place(this.pointer);
    this.paintReadout();
    this.drawnFrames += 1;
    this.root.dataset.frames = this.drawnFrames;
    this.root.dataset.scenes = this.loadedScenes; // of which the newest is on screen now
  }

  // How much larger than usual the type of the page is; presenter mode enlarges it.
  enlargement() {
    return parseFloat(getComputedStyle(this.root).fontSize) / 14;
  }

  paintReadout() {
    const at = this.pointer;
    const found = at && at.panel.view && !this.player.held && !this.brush.active && readout(at.panel.view, at.panel.hidden, at.x, at.y);
    this.tip.hidden = !found;
    if (!found) return;
    const head = document.createElement("div");
    head.textContent = found.head;
    this.tip.replaceChildren(head, ...found.rows.map(({ colour, label, text }) => {
      const row = document.createElement("div");
      const dot = document.createElement("i");
      dot.style.background = colour;
      const value = document.createElement("b");
      value.textContent = text;
      row.append(dot, document.createTextNode(label), value);
      return row;
    }));
    const outer = this.root.getBoundingClientRect();
    const [x, y] = [at.rect.left - outer.left + at.x, at.rect.top - outer.top + at.y];
    const left = x + this.tip.offsetWidth + 20 > outer.width ? x - this.tip.offsetWidth - 12 : x + 14;
    this.tip.style.left = `${Math.max(0, left)}px`;
    this.tip.style.top = `${Math.max(0, Math.min(y + 12, outer.height - this.tip.offsetHeight))}px`;
  }

  remove() {
    cancelAnimationFrame(this.pending);
    this.pending = -1; // no frame after this
    this.unfollow();
    this.sizes.disconnect();
    this.sight.disconnect();
    unlisten(this);
  }
}

export function render({ model }) {
  return new StageView(model).root;
}
