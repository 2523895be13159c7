"""An SVG file made fit to stand in a page of HTML: small, with a text alternative, in the page's own colours."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from xml.etree import ElementTree as ET

_LINK = "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_GEOMETRY = ("d", "transform", "x", "y", "width", "height", "points")
_DIGITS = 1  # of a unit that is a CSS pixel on most screens


def tidy(text: str, colours: Mapping[str, str], alt: str) -> str:
    """Tidy one picture.

    Args:
        text: the file, as the plotting library wrote it; no text of a stranger is in it.
        colours: what stands in it, and the CSS values to write instead.
        alt: what the picture shows.
    """
    root = ET.fromstring(text)  # noqa: S314 - made by the plotting library, a moment ago
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | {link[1:] for item in root.iter() if (link := item.get(_LINK))}
    for item in root.iter():
        _tidy_one(item, used, colours)
    for group in root.iter("g"):
        styles = {item.get("style") for item in group}
        if len(group) > 1 and len(styles) == 1 and all(item.tag == "use" for item in group):
            group.set("style", styles.pop() or "")  # alike for hundreds of markers
            for item in group:
                item.attrib.pop("style", None)
    view = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update({"viewBox": view, "role": "img", "aria-label": alt})
    return ET.tostring(root, encoding="unicode")


def _tidy_one(item: ET.Element, used: Collection[str], colours: Mapping[str, str]) -> None:
    item.tag = item.tag.rpartition("}")[2]
    if item.get("id") not in used:
        item.attrib.pop("id", None)
    if link := item.attrib.pop(_LINK, None):
        item.set("href", link)
    if item.get("transform", "").startswith("rotate(-0 "):
        item.attrib.pop("transform")
    for name in _GEOMETRY:
        if value := item.get(name):
            item.set(name, _NUMBER.sub(_rounded, value).replace("\n", " ").strip())
    if style := item.get("style"):
        item.set("style", _styled(style, colours))
    if item.tag != "text" and item.text and not item.text.strip():
        item.text = None
    item.tail = None


def _rounded(match: re.Match[str]) -> str:
    rounded = f"{float(match[0]):.{_DIGITS}f}".rstrip("0").rstrip(".")
    return "0" if rounded == "-0" else rounded


def _styled(style: str, colours: Mapping[str, str]) -> str:
    """Without the font, which is the page's, and without what says nothing."""
    declared = dict(part.strip().split(":", 1) for part in style.split(";") if ":" in part)
    if font := declared.pop("font", None):
        declared["font-size"] = font.split()[0]
    declared.pop("font-family", None)
    kept = {name: value.strip() for name, value in declared.items() if value.strip() and name != "stroke-dashoffset"}
    return ";".join(f"{name}:{colours.get(value, value)}" for name, value in kept.items())
