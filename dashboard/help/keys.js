// The key ? opens the help, wherever one does not write.
const WRITES = "input,textarea,select,[contenteditable=''],[contenteditable=true],[role=textbox],[role=combobox]";

function listenForHelp(open) {
  const pressed = (event) => {
    if (event.key !== "?" || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const [target] = event.composedPath();
    if (target instanceof Element && target.matches(WRITES) && !["range", "checkbox", "radio"].includes(target.type)) return;
    event.preventDefault();
    open();
  };
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}

// Above everything else on the page, whatever holds it.
function floatingNode(className) {
  const node = el("div", { className, popover: "manual" });
  node.reveal = (on) => { if (on !== node.matches(":popover-open")) node.togglePopover(on); };
  return node;
}

function el(tag, properties = {}, ...inside) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...inside);
  return node;
}
