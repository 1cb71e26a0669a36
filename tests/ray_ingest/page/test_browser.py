"""The page in Chromium, in a real Airflow: what people see and press, for an admin and for a viewer.

With ``PAGE_PICTURES``, a folder, each tab is photographed there in both themes.
"""

import base64
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from embedded.pdfs import DAYS, make_pdfs
from embedded.processes import poll
from page_world import PageWorld, days_back
from served_search import TOKEN, served_documents

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
SECONDS = 30_000
"""Milliseconds that the page may take on busy cores."""

Open = Callable[..., Page]
Theme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageWorld]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian's package `chromium`)")
    world = PageWorld(tmp_path_factory.mktemp("page"))
    for started in world.start():
        for back, state in ((1, "failed"), (2, "success"), (12, "queued")):
            started.run_of_day(back, state)
        started.try_object(started.run_of_day(4, "success"))
        yield started


@pytest.fixture(scope="module")
def browser(world: PageWorld) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(world: PageWorld, browser: Browser) -> Iterator[Open]:
    """Opens a part of the page as a user; at the end, nothing in the browser's console may be an error."""
    contexts, errors = [], []

    def open_(search: str = "", user: str = "admin", theme: Theme = "light", path: str = "plugin/ray-ingest") -> Page:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=theme)
        contexts.append(context)
        context.add_cookies([{"name": "_token", "value": world.token(user), "url": world.airflow.url}])
        context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
        context.set_default_timeout(SECONDS)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{world.airflow.url}/{path}{search}")
        return page

    expect.set_options(timeout=SECONDS)
    yield open_
    for context in contexts:
        context.close()
    assert errors == []


def photograph(page: Page, name: str) -> None:
    if folder := os.environ.get("PAGE_PICTURES"):
        page.wait_for_timeout(700)  # for the pictures alone: what fades in has done so
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_the_page_is_in_the_menu_and_counts(open_page: Open) -> None:
    page = open_page(path="")
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Ray ingest").click()
    pdfs = page.get_by_role("region", name="PDFs")
    expect(pdfs.get_by_text("BAAI/bge-m3")).to_be_visible()
    expect(pdfs.get_by_role("link", name=re.compile("failed: show why"))).to_be_visible()
    pdfs.get_by_role("link", name=re.compile("failed: show why")).click()
    expect(page.get_by_role("table", name="Reasons of failures")).to_be_visible()
    expect(page).to_have_url(re.compile("tab=failures&pipeline=pdfs"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("search", "shown"),
    [
        ("", "BAAI/bge-m3"),
        ("?tab=failures", "parse/Encrypted"),
        ("?tab=failures&pipeline=pdfs&reason=parse/Encrypted", "Failed with parse/Encrypted"),
        ("?tab=objects&find=pump-manual", "pump-manual-01.pdf"),
        ("?tab=calendar&pipeline=pdfs", "Never run"),
        ("?tab=search&question=valve%20winter", "Pump maintenance"),
    ],
    ids=["overview", "failures", "reason", "objects", "calendar", "search"],
)
def test_each_tab_shows_itself_in_both_themes(
    open_page: Open, request: pytest.FixtureRequest, search: str, shown: str, theme: Theme
) -> None:
    page = open_page(search, theme=theme)
    expect(page.get_by_text(shown).first).to_be_visible()
    photograph(page, request.node.callspec.id)


def retried(page: Page) -> Any:
    """The question about one reason, with the button that starts the retry."""
    page.get_by_role("button", name="Retry the objects that failed with parse/Encrypted").first.click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog.get_by_label("Under this prefix")).to_have_value(re.compile("^s3://library/pdfs/"))
    return dialog


def test_a_retry_is_started_once_whatever_is_clicked(open_page: Open, world: PageWorld) -> None:
    before = len(world.airflow.runs("retry_failed"))
    page = open_page("?tab=failures")
    dialog = retried(page)
    photograph(page, "retry")
    dialog.get_by_role("button", name="Retry", exact=True).evaluate("button => { button.click(); button.click(); }")
    run = dialog.get_by_role("link", name=re.compile("^page__"))
    expect(run).to_be_visible()
    (made,) = world.airflow.runs("retry_failed")[before:]
    assert made["dag_run_id"] == run.text_content()
    assert {key: made["conf"][key] for key in ("pipeline", "reason", "dry_run")} == {
        "pipeline": "pdfs", "reason": "parse/Encrypted", "dry_run": False,
    }  # fmt: skip
    run.click()
    expect(page).to_have_url(re.compile("/dags/retry_failed/runs/page__"))


def test_a_retry_whose_answer_was_lost_is_not_started_again(open_page: Open, world: PageWorld) -> None:
    before = len(world.airflow.runs("retry_failed"))
    page = open_page("?tab=failures")
    dialog = retried(page)

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/dagRuns", lose, times=1)
    dialog.get_by_role("button", name="Retry", exact=True).click()
    expect(dialog.get_by_role("alert").get_by_text("does not answer")).to_be_visible()
    dialog.get_by_role("button", name="Retry", exact=True).click()
    expect(dialog.get_by_text("The retry is started")).to_be_visible()
    assert len(world.airflow.runs("retry_failed")) == before + 1


def test_a_viewer_sees_no_button_and_no_text(open_page: Open) -> None:
    page = open_page("?tab=failures", user="viewer")
    expect(page.get_by_text("parse/Encrypted").first).to_be_visible()
    page.get_by_role("tab", name="Search").click()
    expect(page.get_by_text("for users who may read the connection")).to_be_visible()
    page.get_by_role("tab", name="Failures").click()
    expect(page.get_by_text("parse/Encrypted").first).to_be_visible()
    assert page.get_by_role("button", name=re.compile("^Retry")).count() == 0


def test_conditions_narrow_a_search_and_a_bad_one_is_explained(open_page: Open) -> None:
    page = open_page("?tab=search&question=valve%20winter")
    expect(page.get_by_text("Pump maintenance").first).to_be_visible()
    page.get_by_label("Conditions (optional)").fill("tenant=acme; year>=2026")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("Pump maintenance")).to_have_count(0)
    expect(page.get_by_text("opens the valve of the honey tank")).to_be_visible()
    photograph(page, "conditions")
    page.get_by_label("Conditions (optional)").fill("tenant")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("alert").get_by_text("is no condition such as tenant=acme")).to_be_visible()


def test_an_object_shows_its_rows_and_those_like_it(open_page: Open) -> None:
    page = open_page("?tab=objects&find=s3://library/pdfs/")
    page.get_by_role("link", name="beekeeping-02.pdf").first.click()
    expect(page.get_by_role("table", name="Rows in documents")).to_be_visible()
    page.get_by_role("button", name="Find objects like it").click()
    expect(page.get_by_role("table", name="Objects like this one")).to_be_visible()
    photograph(page, "object")


QUESTION = "What did the red algae in March do to the desalination plant?"


def test_a_search_by_meaning_shows_the_picture_of_each_page_with_the_passage_marked(
    open_page: Open, world: PageWorld, object_store: Any, minilm_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in object_store.environment().items():
        monkeypatch.setenv(name, value)
    root = f"{object_store.bucket('reports')}/tenant=acme/"
    documents = {f"{root}{name}": content for name, content in make_pdfs(DAYS[1]).items()}
    for source, content in documents.items():
        object_store.client().put_object(Bucket="reports", Key=source.removeprefix("s3://reports/"), Body=content)
    world.know(documents, {"tenant": "acme", "year": 2026})
    with served_documents(world.milvus.uri, minilm_path, documents) as url:
        connection = {"connection_id": "search_default", "conn_type": "http", "host": url, "password": TOKEN}
        world.airflow.api("POST", "/connections", connection)
        try:
            poll(world.knows_service, 60, "the page knows of the service", interval=1)
            page = open_page(f"?{urlencode({'tab': 'search', 'question': QUESTION})}")
            hit = page.get_by_role("region", name="Pages").get_by_role("listitem").first
            expect(hit.get_by_role("link", name="desalination-report.pdf")).to_be_visible()
            expect(hit.get_by_text("tenant = acme")).to_be_visible()
            assert is_marked(hit.locator("img").get_attribute("src"))
            photograph(page, "meaning")
            dark = open_page(f"?{urlencode({'tab': 'search', 'question': QUESTION})}", theme="dark")
            expect(dark.get_by_role("link", name="desalination-report.pdf").first).to_be_visible()
            photograph(dark, "meaning-dark")
            page.get_by_label("Under the prefix (optional)").fill(f"{root}seed")
            page.get_by_role("button", name="Search").click()
            expect(hit.get_by_role("link", name="seed-vault.pdf")).to_be_visible()
            expect(page.get_by_role("link", name="desalination-report.pdf")).to_have_count(0)
            page.get_by_label("By", exact=True).select_option("words")
            expect(page).to_have_url(re.compile("prefix=.*&by=words"))
        finally:
            world.airflow.api("DELETE", "/connections/search_default")
            poll(lambda: not world.knows_service(), 60, "the page has forgotten the service", interval=1)


def is_marked(uri: str | None) -> bool:
    """Whether a picture has the colour of a marker in it."""
    picture = Image.open(io.BytesIO(base64.b64decode((uri or "").partition(",")[2]))).convert("RGB")
    red, green, blue = (np.asarray(picture, np.int16)[..., channel] for channel in range(3))
    return bool(((red > 200) & (green > 180) & (blue < 140)).any())


def test_the_tries_of_an_object_are_told_with_their_runs(open_page: Open, world: PageWorld) -> None:
    page = open_page(f"?{urlencode({'tab': 'objects', 'source': world.tried})}")
    tries = page.get_by_role("table", name="Tries").get_by_role("row")
    expect(tries).to_have_count(4)
    expect(page.get_by_text("yes", exact=True)).to_be_visible()
    expect(tries.nth(1).get_by_text("done")).to_be_visible()
    expect(tries.nth(2).get_by_text("took longer than 900 s")).to_be_visible()
    photograph(page, "tries")
    dark = open_page(f"?{urlencode({'tab': 'objects', 'source': world.tried})}", theme="dark")
    expect(dark.get_by_text("took longer than 900 s")).to_be_visible()
    photograph(dark, "tries-dark")
    tries.nth(3).get_by_role("link").click()
    expect(page).to_have_url(re.compile("/dags/ingest_pdfs/runs/"))


def test_conditions_choose_the_objects_of_a_list(open_page: Open, world: PageWorld) -> None:
    page = open_page("?tab=objects")
    page.get_by_label("Conditions (optional)").fill("tenant=globex")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("table", name="Objects").get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name=world.tried.rpartition("/")[2]).click()
    expect(page.get_by_text("tenant = globex")).to_be_visible()


def test_a_passage_is_shown_in_an_outline_of_its_page(open_page: Open) -> None:
    page = open_page("?tab=search&question=valve%20winter")
    outline = page.get_by_role("img", name=re.compile("^On page [12], in the middle$")).first
    expect(outline).to_be_visible()
    frame, *boxes = (outline.locator("rect").nth(number).bounding_box() for number in range(3))
    assert frame is not None
    shares = [
        (box[side] - frame[side]) / frame[size]
        for box in boxes
        if box is not None
        for side, size in (("x", "width"), ("y", "height"))
    ]
    assert shares == pytest.approx([0.12, 0.49, 0.12, 0.54], abs=0.02)
    expect(page.get_by_text(re.compile("ingested before places on a page were kept"))).to_be_visible()


def day(page: Page, back: int) -> Any:
    return page.locator(f"[data-day='{days_back(back)}']")


def month_of(back: int) -> str:
    return f"?tab=calendar&pipeline=pdfs&month={days_back(back)[:7]}"


@pytest.mark.parametrize(
    ("back", "state"), [(1, "failed"), (2, "done"), (10, "never"), (12, "running")], ids=lambda value: str(value)
)
def test_the_calendar_tells_the_states_of_days(open_page: Open, back: int, state: str) -> None:
    expect(day(open_page(month_of(back)), back)).to_have_attribute("data-state", state)


def test_the_gaps_are_filled_by_a_backfill_after_a_look(open_page: Open, world: PageWorld) -> None:
    page = open_page(month_of(10))
    page.get_by_role("button", name=re.compile("^Fill")).click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog.get_by_text(days_back(10))).to_be_visible()
    photograph(page, "backfill")
    assert world.airflow.api("GET", "/backfills?dag_id=ingest_pdfs")["backfills"] == []
    dialog.get_by_role("button", name="Start the backfill").click()
    expect(dialog.get_by_text("The backfill is started")).to_be_visible()
    assert len(world.airflow.api("GET", "/backfills?dag_id=ingest_pdfs")["backfills"]) == 1


def test_the_tabs_are_reached_by_keys(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("tab", name="Overview").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Failures")).to_be_focused()
    expect(page.get_by_role("table", name="Reasons of failures")).to_be_visible()
    page.get_by_label("Under the prefix").fill(f"s3://library/pdfs/{days_back(5)}/")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"prefix=.*{days_back(5)}"))


def test_without_milvus_the_page_says_so_and_comes_back(open_page: Open, world: PageWorld) -> None:
    world.milvus.stop()
    page = open_page()
    expect(page.get_by_role("alert").get_by_text("cannot be reached")).to_be_visible()
    photograph(page, "away")
    other = open_page(path="dags")
    expect(other.get_by_text("retry_failed").first).to_be_visible()
    world.milvus.start()
    expect(page.get_by_text("BAAI/bge-m3").first).to_be_visible()
