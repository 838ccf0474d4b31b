"""Pages with gold for the block model: which of them are of one site."""

from __future__ import annotations

from classifiers.blocks_data import registrable


def test_pages_of_a_host_without_public_suffix_are_of_one_domain() -> None:
    assert registrable("https://news.site.co.uk/a/b") == "site.co.uk"
    assert {registrable(f"https://docs.one.example/{page}") for page in ("a", "b/c")} == {"docs.one.example"}
