// The page's own socket: one binary message a frame with all that is new, for every picture and text of the page.
import { fill, unpack } from "./block.js";

const PROTOCOL = "stoqlab-frames";
const REFUSED = 4400; // closing codes from here on are the server's last word
const TRIES = 2; // that may fail before the first success; then pictures come as messages of the page's other socket
const PAUSES = [250, 1000, 4000]; // milliseconds between tries

class Frames {
  constructor(token) {
    this.token = token;
    this.parts = new Map(); // by name: the newest part
    this.forms = new Map(); // by name: the form of the newest scene
    this.listeners = new Map(); // by name: who is told
    this.tries = 0;
    this.open();
  }

  open() {
    const url = new URL(`${location.pathname.replace(/\/+$/, "")}/frames`, location.href);
    url.protocol = url.protocol.endsWith("s:") ? "wss:" : "ws:";
    this.socket = new WebSocket(url, [PROTOCOL, this.token]);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => { this.reached = true; this.tries = 0; };
    this.socket.onmessage = (event) => this.receive(event.data);
    this.socket.onclose = (event) => { if (event.code < REFUSED) this.again(); };
  }

  again() {
    this.tries += 1;
    if (!this.reached && this.tries >= TRIES) {
      for (const heard of this.listeners.values()) heard.forEach(({ failed }) => failed());
      this.failed = true;
    } else {
      this.retry = setTimeout(() => this.open(), PAUSES[Math.min(this.tries, PAUSES.length) - 1]);
    }
  }

  receive(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    let offset = 4 + length;
    for (const head of header.parts) {
      const bytes = new Uint8Array(buffer, offset, head.size || 0);
      offset += bytes.byteLength;
      const part = { era: head.era, ...(head.size ? this.scene(head, bytes) : { value: head.value }) };
      this.parts.set(head.to, part);
      (this.listeners.get(head.to) || []).forEach(({ told }) => told(part));
    }
    // This call comes after those that the pictures have asked for: everything is drawn by then.
    const { socket } = this;
    requestAnimationFrame(() => { if (socket.readyState === WebSocket.OPEN) socket.send(new Uint32Array([header.frame])); });
  }

  scene(head, bytes) {
    if (head.new) {
      const { form, scene } = unpack(bytes);
      this.forms.set(head.to, form);
      return { scene };
    }
    return { scene: fill(this.forms.get(head.to), bytes) };
  }

  close() {
    clearTimeout(this.retry);
    this.socket.onclose = null;
    this.socket.close();
  }
}

// Hear of the parts of one name: `told({era, scene} or {era, value})`, at once with the newest that there is already;
// `failed()` where the socket cannot be opened. Returns what ends it. `address` is "token/name", or empty for neither.
export function follow(address, told, failed = () => {}) {
  if (!address) { failed(); return () => {}; }
  const [token, name] = address.split("/");
  const all = (globalThis.stoqlabFrames ||= new Map()); // shared by the modules of all components
  if (!all.has(token)) all.set(token, new Frames(token));
  const frames = all.get(token);
  const listener = { told, failed };
  if (!frames.listeners.has(name)) frames.listeners.set(name, new Set());
  frames.listeners.get(name).add(listener);
  if (frames.failed) failed();
  else if (frames.parts.has(name)) told(frames.parts.get(name));
  return () => {
    const heard = frames.listeners.get(name);
    heard.delete(listener);
    if (!heard.size) frames.listeners.delete(name);
    if (frames.listeners.size || all.get(token) !== frames) return;
    all.delete(token);
    frames.close();
  };
}
