// The play position: where it is, how it moves, who is told.
import { locate } from "./block.js";

const REST = 0.7; // seconds that a looping scene rests on its last frame
const LONGEST = 0.1; // seconds; after a longer pause between frames the position does not jump

export class Player {
  // `changed` is called whenever something must be drawn; `settled` when the position is worth telling Python.
  constructor(changed, settled) {
    Object.assign(this, { changed, settled, position: 0, playing: false, speed: 1, loop: true, held: false, rested: 0, last: 0 });
    this.load({ positions: [0], duration: 1, smooth: false });
  }

  load(scene) {
    this.scene = scene;
    this.start = scene.positions[0];
    this.end = scene.positions[scene.positions.length - 1];
    this.position = this.clamp(this.position);
  }

  get movable() {
    return this.end > this.start;
  }

  get running() {
    return this.playing && !this.held && this.movable;
  }

  clamp(position) {
    return Math.min(this.end, Math.max(this.start, position));
  }

  moment() {
    const { frame, fraction } = locate(this.scene.positions, this.position);
    return { frame, fraction: this.scene.smooth ? fraction : 0, position: this.position };
  }

  seek(position) {
    if (!Number.isFinite(position)) return;
    this.position = this.clamp(position);
    this.rested = 0;
    this.changed();
  }

  // While the pointer drags, time stands still.
  hold(held) {
    this.held = held;
    this.last = 0;
    this.changed();
    if (!held) this.settled();
  }

  play(on) {
    if (on && this.movable && this.position >= this.end) this.position = this.start;
    this.playing = on;
    this.rested = 0;
    this.last = 0;
    this.changed();
    this.settled();
  }

  step(frames) {
    const { positions } = this.scene;
    const { frame } = locate(positions, this.position);
    this.playing = false;
    this.seek(positions[Math.min(positions.length - 1, Math.max(0, frame + frames))]);
    this.settled();
  }

  restart() {
    this.seek(this.start);
    this.settled();
  }

  // Moves on to the time of an animation frame, in milliseconds.
  advance(now) {
    const passed = this.last ? Math.min(LONGEST, (now - this.last) / 1000) : 0;
    this.last = now;
    if (this.position < this.end) {
      const pace = (this.end - this.start) / this.scene.duration;
      this.position = Math.min(this.end, this.position + passed * pace * this.speed);
    } else if (!this.loop) {
      this.play(false);
      this.position = this.end;
    } else if ((this.rested += passed) > REST) {
      this.rested = 0;
      this.position = this.start;
    }
  }
}
