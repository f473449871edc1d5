// Keys for all stages of a page: they go to the stage that has the focus, else the pointer, else the most room.

const stages = new Set();
const OWN = "input,textarea,select,[contenteditable=''],[contenteditable=true],[role=textbox],[role=combobox],[role=listbox]," +
  "[role=option],[role=menu],[role=menuitem],[role=tab],[role=slider],[role=spinbutton],[role=radio],[role=dialog]";

function visibleArea(stage) {
  const rect = stage.root.getBoundingClientRect();
  const w = Math.min(rect.right, innerWidth) - Math.max(rect.left, 0);
  const h = Math.min(rect.bottom, innerHeight) - Math.max(rect.top, 0);
  return w > 0 && h > 0 ? w * h : 0;
}

function addressed(path) {
  const all = [...stages].filter((stage) => visibleArea(stage) > 0);
  return all.find((stage) => path.includes(stage.root))
    || all.find((stage) => stage.root.matches(":hover"))
    || all.sort((a, b) => visibleArea(b) - visibleArea(a))[0];
}

// Whether another control wants this key: text fields and the like want all, buttons and links space.
function taken(event, path, stage) {
  for (const node of path) {
    if (node === stage.root) return false;
    if (!(node instanceof Element)) continue;
    if (node.matches(OWN) && !(stage.root.contains(node) && node.matches("[role=slider]"))) return true;
    if (event.key === " " && node.matches("button,a[href],summary,[role=button],[role=switch],[role=checkbox]")) return true;
  }
  return false;
}

function pressed(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const path = event.composedPath();
  const stage = addressed(path);
  if (!stage || taken(event, path, stage) || !stage.key(event)) return;
  event.preventDefault();
}

export function listen(stage) {
  if (!stages.size) document.addEventListener("keydown", pressed);
  stages.add(stage);
}

export function unlisten(stage) {
  stages.delete(stage);
  if (!stages.size) document.removeEventListener("keydown", pressed);
}
