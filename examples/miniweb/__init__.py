"""A small invented web with known truth: sites, pages, duplicates, junk, planted personal data and questions.

It stands in for a crawl where there is no network, and tests and the demo measure against its truth. Nothing in it
is copied: people, towns, works and species are made up from a seed, and so are the facts that its pages agree on.
"""
