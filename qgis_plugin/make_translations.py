"""Collects the plugin's texts into its .ts files and compiles them: python qgis_plugin/make_translations.py.

A text is what `tr("...")` is called with. Translations that are there are kept; texts that are gone are dropped. Needs
`lrelease` of Qt (Debian: qttools5-dev-tools).
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

FOLDER = Path(__file__).parent / "geocloud_qgis"
CONTEXT = "Geocloud"
LANGUAGES = ("fr",)


def texts() -> list[str]:
    """All texts, in the order of modules and lines."""
    found: dict[str, None] = {}
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "tr":
                found[ast.literal_eval(node.args[0]) if node.args else ""] = None
    return [text for text in found if text]


def read(path: Path) -> dict[str, str]:
    """Text -> translation of a .ts file."""
    if not path.exists():
        return {}
    messages = ElementTree.parse(path).getroot().iter("message")  # noqa: S314 - a file of this repository
    return {message.findtext("source", ""): message.findtext("translation", "") for message in messages}


def write(path: Path, language: str, known: dict[str, str]) -> int:
    """A .ts file with all texts; how many have no translation."""
    root = ElementTree.Element("TS", version="2.1", language=language, sourcelanguage="en")
    context = ElementTree.SubElement(root, "context")
    ElementTree.SubElement(context, "name").text = CONTEXT
    missing = 0
    for text in texts():
        message = ElementTree.SubElement(context, "message")
        ElementTree.SubElement(message, "source").text = text
        translation = ElementTree.SubElement(message, "translation")
        translation.text = known.get(text, "")
        if not translation.text:
            translation.set("type", "unfinished")
            missing += 1
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    path.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n{body}\n', encoding="utf-8")
    return missing


def main() -> int:
    """All languages; 1 where a text has no translation."""
    missing = 0
    for language in LANGUAGES:
        path = FOLDER / "i18n" / f"geocloud_{language}.ts"
        missing += write(path, language, read(path))
        tool = shutil.which("lrelease")
        if tool is None:
            print("lrelease is missing: the .qm file stays as it is")
        else:
            subprocess.run([tool, "-silent", str(path)], check=True)
    print(f"{len(texts())} texts, {missing} without a translation")
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())
