"""Chromium opens pages, and the watch sees what they should not do."""

import pytest
from look.browser import NoChromiumError, Watch, chromium

pytestmark = pytest.mark.look


def written(folder, body):
    path = folder / "page.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><title>A page</title>{body}", "utf-8")
    return path.as_uri()


def test_a_page_opens(page, watch, picture, tmp_path):
    url = written(tmp_path, "<h1>encoder.layer.0</h1>")
    watch.allow(url)
    page.goto(url)
    assert page.title() == "A page"
    assert page.locator("h1").inner_text() == "encoder.layer.0"
    assert watch.requests == [url]
    assert picture(page, "page").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("<script>console.error('broken')</script>", "console: broken"),
        ("<script>throw new Error('broken')</script>", "exception: broken"),
        ("<script>alert('hostile')</script>", "dialog: hostile"),
        ("<img src='http://127.0.0.1:9/x.png'>", "request: http://127.0.0.1:9/x.png"),
        ("<script>new WebSocket('ws://127.0.0.1:9/')</script>", "request: ws://127.0.0.1:9/"),
    ],
)
def test_the_watch_sees(browser, tmp_path, body, found):
    watch = Watch()
    url = written(tmp_path, body)
    watch.allow(url)
    with browser.new_context() as context:
        watch.over(context)
        context.new_page().goto(url)
        context.pages[0].wait_for_timeout(50)
    assert any(line.startswith(found) for line in watch.found), watch.found
    with pytest.raises(AssertionError, match=found[:20]):
        watch.close()


def test_what_is_tolerated_passes(page, watch, tmp_path):
    url = written(tmp_path, "<script>console.error('known of this viewer')</script>")
    watch.allow(url)
    watch.tolerate("^known")
    page.goto(url)


def test_a_missing_chromium_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("HTP_CHROMIUM", raising=False)
    with pytest.raises(NoChromiumError, match="apt-get install chromium"):
        chromium()
    monkeypatch.setenv("HTP_CHROMIUM", str(tmp_path / "none"))
    with pytest.raises(NoChromiumError, match="none is no program"):
        chromium()
