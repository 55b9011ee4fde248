"""Fixtures of the tests that look at pages; ``nox -s look`` runs them, without torch.

    def test_it_says_hello(page, watch, tmp_path):
        watch.allow(url)            # nothing else may be asked for
        page.goto(url)

``HTP_SCREENSHOTS=FOLDER`` keeps the pictures that tests take. A test that starts an event loop of
its own (a notebook's) does so in a process of its own: Playwright's runs in this one.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

import htp

# Elsewhere than in that session nothing here is run, nor can be read.
collect_ignore_glob = [] if find_spec("playwright") else ["test_*.py"]


@pytest.fixture(scope="session")
def browser():
    """Chromium, running."""
    from look.browser import NoChromiumError, launched

    try:
        with launched() as running:
            yield running
    except NoChromiumError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def watch():
    """What pages may do; the test fails at its end if they did anything else."""
    from look.browser import Watch

    watching = Watch()
    yield watching
    watching.close()


@pytest.fixture
def open_page(browser, watch):
    """``open_page(color_scheme="dark", viewport={...})``: an empty page, under watch."""
    contexts = []

    def opened(**options):
        context = browser.new_context(service_workers="block", **options)
        contexts.append(context)
        watch.over(context)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def page(open_page):
    """An empty page of a usual size, under watch."""
    return open_page(viewport={"width": 1280, "height": 800})


@pytest.fixture
def picture(tmp_path):
    """``picture(page, "name")`` takes a screenshot and returns its path."""
    folder = Path(os.environ.get("HTP_SCREENSHOTS") or tmp_path)

    def taken(page, name, **options):
        path = folder / f"{name}.png"
        page.screenshot(path=path, **options)
        return path

    return taken


@pytest.fixture
def opened(open_page, watch, tmp_path):
    """``opened(model, results=...)``: the page of a model, open and under watch."""

    def opening(made, size=(1280, 800), scheme="light", before=None, **more):
        path = tmp_path / "report.html"
        htp.report(made, path, name="small.onnx", **more)
        watch.allow(path.as_uri())
        page = open_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        if before:
            before(page)
        page.goto(path.as_uri())
        page.locator(".tree .row[aria-level]").first.wait_for()
        return page

    return opening
