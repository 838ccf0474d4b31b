"""Prose for invented pages."""

PARAGRAPH = (
    "The committee met on Tuesday to discuss the harvest, and its members agreed that the weather had been kind. "
    "Farmers from the valley, who had feared the worst, spoke of full barns; the mill will open early this year. "
)
