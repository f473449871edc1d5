"""Live pictures come on the page's own socket, one message a frame, and as messages where it cannot be opened."""

CLOSED = """
const Real = window.WebSocket;
window.refused = 0;
window.WebSocket = class extends EventTarget {
  static OPEN = 1;
  constructor(url, protocols) {
    super();
    if (!String(url).endsWith("/frames")) return new Real(url, protocols);
    window.refused += 1;
    setTimeout(() => this.onclose({ code: 1006 }), 10);
  }
};
"""
FIELD = '.stage-root[aria-label="The lattice field while it moves"]'


def wait_for_pictures(page, count):
    page.wait_for_function(
        "([field, least]) => Number(window.stoqlabTestRoot?.(field)?.dataset.scenes || 0) >= least",
        arg=[FIELD, count],
    )


ROOT = """
window.stoqlabTestRoot = (selector, node = document) => {
  for (const element of node.querySelectorAll("*")) {
    if (element.matches(selector)) return element;
    const inside = element.shadowRoot && window.stoqlabTestRoot(selector, element.shadowRoot);
    if (inside) return inside;
  }
  return null;
};
"""


def test_pictures_curves_and_texts_share_one_socket(page, dashboard):
    received, sent, urls = [], [], []

    def opened(socket):
        if socket.url.endswith("/frames"):
            urls.append(socket.url)
            socket.on("framereceived", lambda message: received.append(message))
            socket.on("framesent", lambda message: sent.append(message))

    page.on("websocket", opened)
    page.add_init_script(ROOT)
    page.goto(f"{dashboard}?page=lattice")
    wait_for_pictures(page, 10)
    page.get_by_text("acceptance 0.").first.wait_for()
    page.get_by_text("Statistics of").first.wait_for()
    assert len(urls) == 1
    heads = [bytes(message)[4 : 4 + int.from_bytes(bytes(message)[:4], "little")].decode() for message in received]
    assert all('"frame":' in head for head in heads)
    assert any(head.count('"form":') == 2 and '"value":' in head for head in heads)  # both stages and the words
    assert 0 <= len(received) - len(sent) <= 3
    assert all(len(bytes(answer)) == 4 for answer in sent)


def test_without_the_socket_pictures_come_as_messages(page, dashboard):
    page.add_init_script(CLOSED + ROOT)
    page.goto(f"{dashboard}?page=lattice")
    wait_for_pictures(page, 10)
    page.get_by_text("acceptance 0.").first.wait_for()
    assert page.evaluate("window.refused") == 2
