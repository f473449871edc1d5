// The animation as a file: GIF frame by frame, or a film as the browser's own recorder makes it.
import { locate } from "./block.js";
import { choosePalette, Gif } from "./gif.js";

const GIF_PIXELS = 800;
const GIF_DELAY = 8; // hundredths of a second
const FILM_PIXELS = 1280;
const FILM_RATE = 25;
const LIVE_SECONDS = 8; // that a running computation is filmed
const MOST_SECONDS = 30;
const LAST_SECONDS = 0.8; // that the last frame stays
const TYPES = ["video/mp4;codecs=avc1.42E01F", "video/mp4;codecs=avc1", "video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm"];

// The kind of film that this browser records, or undefined.
export function filmType() {
  return typeof MediaRecorder === "undefined" ? undefined : TYPES.find((type) => MediaRecorder.isTypeSupported(type));
}

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

// Which moments make a film, one every 1/rate seconds: a whole pass, or what comes in the next seconds.
class Takes {
  constructor(sheet, rate) {
    const { player } = sheet.view;
    Object.assign(this, { sheet, player, live: !player.movable, began: performance.now(), rate });
    const seconds = this.live ? LIVE_SECONDS : Math.min(MOST_SECONDS, player.scene.duration / player.speed);
    this.count = Math.max(2, Math.round(seconds * rate));
  }

  moment(i) {
    if (this.live) {
      this.sheet.renew();
      return this.player.moment();
    }
    const { positions, smooth } = this.sheet.scene;
    const [start, end] = [positions[0], positions[positions.length - 1]];
    const position = start + (Math.min(i, this.count - 1) / (this.count - 1)) * (end - start);
    const { frame, fraction } = locate(positions, position);
    return { frame, fraction: smooth ? fraction : 0, position };
  }

  // Wait until frame `i` is due, or at least until the browser has drawn.
  due(i) {
    return pause(Math.max(0, (this.began - performance.now()) / 1000 + i / this.rate));
  }
}

// `report(done, total)` may throw, which ends it.
export async function gif(sheet, report) {
  const takes = new Takes(sheet, 100 / GIF_DELAY);
  const canvas = sheet.canvas(takes.moment(0), GIF_PIXELS);
  const pen = canvas.getContext("2d");
  const pixels = (i) => {
    sheet.canvas(takes.moment(i), GIF_PIXELS, canvas);
    return pen.getImageData(0, 0, canvas.width, canvas.height).data;
  };
  const samples = takes.live ? [pixels(0)] : [0, 1, 2, 3, 4, 5].map((k) => pixels(Math.round((k / 5) * (takes.count - 1))));
  const made = new Gif(canvas.width, canvas.height, choosePalette(samples));
  for (let i = 0; i < takes.count; i++) {
    report(i, takes.count);
    await (takes.live ? takes.due(i) : pause(0));
    made.add(pixels(i), i === takes.count - 1 ? Math.round(100 * LAST_SECONDS) : GIF_DELAY);
  }
  return made.blob();
}

export async function film(sheet, report) {
  const takes = new Takes(sheet, FILM_RATE);
  const canvas = sheet.canvas(takes.moment(0), FILM_PIXELS);
  const stream = canvas.captureStream(FILM_RATE);
  const recorder = new MediaRecorder(stream, { mimeType: filmType(), videoBitsPerSecond: 6e6 });
  const pieces = [];
  recorder.ondataavailable = (event) => { if (event.data.size) pieces.push(event.data); };
  const ended = new Promise((done) => { recorder.onstop = done; });
  recorder.start(500);
  takes.began = performance.now();
  try {
    const last = takes.count + Math.round(LAST_SECONDS * FILM_RATE);
    for (let i = 0; i < last; i++) {
      report(i, last);
      sheet.canvas(takes.moment(i), FILM_PIXELS, canvas);
      await takes.due(i + 1);
    }
  } finally {
    recorder.stop();
    stream.getTracks().forEach((track) => track.stop());
    await ended;
  }
  return new Blob(pieces, { type: recorder.mimeType.split(";")[0] });
}
