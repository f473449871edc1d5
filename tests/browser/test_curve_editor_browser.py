"""The curve editor in a browser: every gesture, by pointer and by keyboard, arrives at the server."""

import re
import time

import pytest
from playwright.sync_api import expect

START = "0.0:1.0 0.25:1.8 0.5:3.2 0.75:5.6 1.0:10.0"


@pytest.fixture
def editor(page, server):
    page.goto(f"{server[0]}/curve")
    page.locator("svg circle").first.wait_for()
    expect(page.get_by_text(START)).to_be_visible()
    return page


def shown(page):
    return page.get_by_text(re.compile(r"^0\.0:"))


def points(page):
    return [tuple(map(float, word.split(":"))) for word in shown(page).inner_text().split()]


def changed(page, before):
    """The points once the server has other ones than ``before``."""
    expect(shown(page)).not_to_have_text(" ".join(f"{t}:{g}" for t, g in before))
    page.wait_for_timeout(200)
    return points(page)


def centre(page, index):
    box = page.locator("svg circle").nth(index).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_point_is_dragged_and_the_ends_keep_their_time(editor):
    before = points(editor)
    x, y = centre(editor, 2)
    editor.mouse.move(x, y)
    editor.mouse.down()
    editor.mouse.move(x + 20, y - 30, steps=8)
    editor.mouse.up()
    after = changed(editor, before)
    assert after[2][0] > before[2][0]
    assert after[2][1] > 2 * before[2][1]
    assert after[:2] + after[3:] == before[:2] + before[3:]
    x, y = centre(editor, 0)
    editor.mouse.move(x, y)
    editor.mouse.down()
    editor.mouse.move(x + 60, y - 20, steps=4)
    editor.mouse.up()
    last = changed(editor, after)
    assert last[0][0] == 0.0
    assert last[0][1] > 1.0


def test_a_point_cannot_pass_its_neighbour_or_leave_the_axis(editor):
    before = points(editor)
    x, y = centre(editor, 1)
    editor.mouse.move(x, y)
    editor.mouse.down()
    editor.mouse.move(x + 200, y + 500, steps=4)
    editor.mouse.up()
    after = changed(editor, before)
    assert after[1] == (0.48, 0.1)


def test_points_are_added_and_removed_by_double_click(editor):
    before = points(editor)
    x, y = centre(editor, 2)
    x2, y2 = centre(editor, 3)
    editor.mouse.dblclick((x + x2) / 2, (y + y2) / 2 - 40)
    after = changed(editor, before)
    assert len(after) == 6
    assert 0.5 < after[3][0] < 0.75
    editor.mouse.dblclick(*centre(editor, 3))
    assert changed(editor, after) == before
    editor.mouse.dblclick(*centre(editor, 0))
    editor.wait_for_timeout(300)
    assert points(editor) == before


def test_a_curve_is_drawn_by_hand_and_reset(editor):
    before = points(editor)
    box = editor.locator("svg").bounding_box()
    x0, x1, middle = box["x"] + 40, box["x"] + box["width"] - 14, box["y"] + 30
    editor.mouse.move(x0, middle)
    editor.mouse.down()
    editor.mouse.move(x1, middle, steps=25)
    editor.mouse.up()
    after = changed(editor, before)
    assert len(after) == 8
    values = [g for _, g in after]
    assert max(values) / min(values) < 1.1
    assert values[0] > 20
    editor.get_by_role("button", name="Reset").click()
    assert changed(editor, after) == before


def test_the_keyboard_does_it_all(editor):
    before = points(editor)
    dot = editor.get_by_role("slider", name="Point 3 of 5")
    dot.focus()
    editor.keyboard.press("ArrowUp")
    editor.keyboard.press("ArrowRight")
    after = changed(editor, before)
    assert after[2] == (0.51, 3.36)
    expect(dot).to_have_attribute("aria-valuetext", "t 0.51, g 3.36")
    editor.keyboard.press("+")
    added = changed(editor, after)
    assert len(added) == 6
    assert added[3][0] == pytest.approx(0.63)
    editor.get_by_role("slider", name="Point 4 of 6").focus()
    editor.keyboard.press("Delete")
    assert changed(editor, added) == after


def test_a_drag_sends_at_most_one_message_every_60_ms(page, server):
    sent = []

    def note(data):
        if '"points"' in str(data):
            sent.append(time.monotonic())

    page.on("websocket", lambda socket: socket.on("framesent", note))
    page.goto(f"{server[0]}/curve")
    page.locator("svg circle").first.wait_for()
    x, y = centre(page, 2)
    page.mouse.move(x, y)
    page.mouse.down()
    begin = time.monotonic()
    for k in range(60):
        page.mouse.move(x, y - k)
        page.wait_for_timeout(10)
    page.mouse.up()
    page.wait_for_timeout(300)
    assert 3 <= len(sent) <= (sent[-1] - begin) / 0.060 + 2
