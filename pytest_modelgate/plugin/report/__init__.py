"""The HTML report, carried by pytest-html."""
