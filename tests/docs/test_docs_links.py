"""Every relative link of the documentation leads somewhere."""

import re
from urllib.parse import unquote

import pytest
from docs_pages import PAGES, REPOSITORY, name

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def anchors(text):
    """What GitHub makes of headings."""
    heads = re.findall(r"^#+ (.*)$", _FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", [*PAGES, REPOSITORY / "CHANGELOG.md"], ids=name)
def test_relative_links_lead_somewhere(page):
    broken = []
    for link in _LINK.findall(_FENCED.sub("", page.read_text())):
        path, _, anchor = unquote(link).partition("#")
        if re.match(r"\w+:", link):
            continue
        target = (page.parent / path) if path else page
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target.read_text())
        ):
            broken.append(link)
    assert broken == []


def test_every_page_is_in_the_index():
    index = (REPOSITORY / "docs/README.md").read_text()
    pages = {
        str(page.relative_to(REPOSITORY / "docs")) for page in PAGES if page.is_relative_to(REPOSITORY / "docs")
    }
    assert {page for page in pages if f"]({page})" not in index} == {"README.md"}
