// The row of controls below the pictures.
import { Scrubber } from "./scrubber.js";

const ICONS = {
  play: "M8 5v14l11-7z",
  pause: "M6 5h4v14H6zM14 5h4v14h-4z",
  back: "M6 5h2.5v14H6zM19 5v14l-9-7z",
  forward: "M15.5 5H18v14h-2.5zM5 5v14l9-7z",
  restart: "M12 5V1.5L7 6l5 4.5V7a5.5 5.5 0 1 1-5.5 5.5h-2A7.5 7.5 0 1 0 12 5z",
  loop: "M7 7h10v3l4-4-4-4v3H5v6h2zM17 17H7v-3l-4 4 4 4v-3h12v-6h-2z",
};
const SPEEDS = [[0.25, "×¼"], [0.5, "×½"], [1, "×1"], [2, "×2"], [4, "×4"]];

function icon(name) {
  return `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
}

export class Controls {
  // `act` has play, step, restart, loop and speed.
  constructor(player, act) {
    this.player = player;
    this.el = document.createElement("div");
    this.el.className = "stage-controls";
    this.buttons = this.el.appendChild(document.createElement("div"));
    this.buttons.className = "stage-buttons";
    this.button("restart", "Back to the start (Home, r)", () => act.restart());
    this.button("back", "One frame back (←, with shift ten)", () => act.step(-1));
    this.playButton = this.button("play", "Play (space)", () => act.play());
    this.playButton.classList.add("stage-play");
    this.button("forward", "One frame on (→, with shift ten)", () => act.step(1));
    this.loopButton = this.button("loop", "Start again at the end", () => act.loop());
    this.speeds = this.buttons.appendChild(document.createElement("select"));
    this.speeds.title = "Speed";
    this.speeds.setAttribute("aria-label", "Speed");
    this.speeds.addEventListener("change", () => { act.speed(Number(this.speeds.value)); this.speeds.blur(); });
    this.scrubber = new Scrubber(player);
    this.el.append(this.scrubber.el);
    const texts = this.el.appendChild(document.createElement("div"));
    texts.className = "stage-texts";
    this.caption = texts.appendChild(document.createElement("span"));
    this.caption.className = "stage-caption";
    this.status = texts.appendChild(document.createElement("span"));
    this.status.className = "stage-status";
    this.status.setAttribute("role", "status");
  }

  button(name, title, act) {
    const el = this.buttons.appendChild(document.createElement("button"));
    el.type = "button";
    el.innerHTML = icon(name);
    el.title = title;
    el.setAttribute("aria-label", title);
    el.dataset.act = name;
    // A mouse gives the focus to the stage, not to the button, so that space goes on meaning play.
    el.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      el.closest(".stage-root").focus({ preventScroll: true });
    });
    el.addEventListener("click", act);
    return el;
  }

  load(scene) {
    this.scrubber.load(scene);
    const longest = scene.captions.reduce((most, text) => Math.max(most, text.length), 0);
    this.caption.style.minWidth = longest ? `${Math.min(60, longest * 0.92)}ch` : "0";
    this.shown = null;
  }

  // Buttons and select after a change of state.
  refresh(status) {
    const { playing, loop, speed } = this.player;
    const name = playing ? "Pause (space)" : "Play (space)";
    this.playButton.innerHTML = icon(playing ? "pause" : "play");
    this.playButton.title = name;
    this.playButton.setAttribute("aria-label", name);
    this.loopButton.setAttribute("aria-pressed", String(loop));
    const speeds = SPEEDS.some(([value]) => value === speed) ? SPEEDS : [...SPEEDS, [speed, `×${speed}`]];
    this.speeds.replaceChildren(...speeds.map(([value, text]) => new Option(text, value, false, value === speed)));
    this.status.textContent = status;
  }

  update(moment, scene) {
    const caption = scene.captions[moment.frame] || "";
    this.scrubber.update(moment.position, caption);
    if (caption !== this.shown) this.caption.textContent = this.shown = caption;
  }
}
