"""XML of products, parsed without entities or documents from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from geocloud.errors import InputError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def parse_xml(content: bytes, name: str) -> Element:
    """The root element; InputError where it is no XML, or XML that declares entities."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(content)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise InputError(f"{name} is not XML that can be trusted and read ({error}); fetch it again") from error
    return root


def texts(root: Element, tag: str) -> list[str]:
    """Stripped text of all elements of a tag, namespaces ignored, in document order."""
    return [(element.text or "").strip() for element in root.iter() if local_name(element) == tag]


def first_text(root: Element, *tags: str) -> str:
    """Text of the first element that has one of the tags, in the order of the tags; empty where there is none."""
    return next((found[0] for tag in tags if (found := texts(root, tag))), "")


def local_name(element: Element) -> str:
    """An element's tag without its namespace."""
    return str(element.tag).rpartition("}")[2]
