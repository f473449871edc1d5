// A few words of HTML, from the page's socket or from the model.
import { follow } from "./frames.js";

export function render({ model }) {
  const el = document.createElement("div");
  const show = (html) => { if (el.innerHTML !== html) el.innerHTML = html; };
  model.on("object", () => show(model.object));
  show(model.object);
  const unfollow = follow(model.stream, ({ value }) => show(value), () => { if (model.stream) model.send_msg({ ready: true }); });
  model.on("remove", unfollow);
  return el;
}
