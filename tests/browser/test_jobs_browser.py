"""The list of jobs: on every page, across tabs of one browser, and without the means to end those of others."""

QUICK = "scan_configurations=200000&scan_points=20&scan_sizes=8,16,32"


def test_a_scan_is_listed_on_every_page_goes_on_without_its_tab_and_is_cancelled_from_another(page, dashboard, browser):
    page.goto(f"{dashboard}?page=lattice&tab=scan&{QUICK}")
    page.locator(".control-scan-start button").click()
    page.get_by_role("button", name="1 job").wait_for()
    page.goto(f"{dashboard}?page=one&tab=langevin")  # another page: the scan's tab is gone
    opener = page.get_by_role("button", name="1 job")
    opener.click()
    sheet = page.get_by_label("Jobs on this server")
    sheet.get_by_text("Scan: κ from").wait_for()
    assert sheet.get_by_text("you", exact=True).count() == 1
    assert sheet.locator("progress").count() >= 1  # ended jobs of other tests may be listed too

    context = browser.new_context()
    try:
        other = context.new_page()
        other.goto(f"{dashboard}?page=home")
        other.get_by_role("button", name="1 job").click()
        seen = other.get_by_label("Jobs on this server")
        seen.get_by_text("someone else").first.wait_for()
        assert seen.get_by_role("button", name="Cancel").count() == 0
    finally:
        context.close()

    sheet.get_by_role("button", name="Cancel").click()
    sheet.get_by_text("cancelled").wait_for()
    page.get_by_role("button", name="Jobs", exact=True).wait_for()
    sheet.get_by_role("link").click()
    page.get_by_text("points are kept").wait_for()  # the scan of this browser, on its own tab
