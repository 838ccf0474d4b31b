"""The language of a piece of code, as the classes of the elements around it say it.

In go the bytes of the page before the code, out comes a lower-case name, empty where none is said. Highlighters
write it in their own ways (`language-x`, `lang-x`, `brush: x`, `highlight-source-x`, `src src-x`, `data-lang`); a
class without such a mark counts only if it is the name of a language.
"""

from __future__ import annotations

import re

MAX_BEFORE = 3000
"""Bytes before the code in which its element and those around it begin: a column of line numbers lies between."""
_TAG = re.compile(
    rb"<(pre|code|div|figure|td|span|samp|xmp)\b([^<>]{1,600})>|(</(?:p|h[1-6]|ul|ol|article|section|main|body)\b)",
    re.I,
)
_SAID = re.compile(
    r"(?:^|\s)(?:(?:language|lang|highlight-source|highlight-text|brush)\s*[-:]\s*|src-|sourceCode\s+)([\w+#.-]{1,30})"
)
_SPHINX = re.compile(r"highlight-([\w+#.-]{1,30})(?:\s|$)")
_ATTRIBUTE = re.compile(r"""(?:^|\s)data-(?:code-)?lang(?:uage)?\s*=\s*["']?([\w+#.-]{1,30})""")
_LANG = re.compile(r"""(?:^|\s)lang\s*=\s*["']?([\w+#.-]{1,30})""")
_CLASS = re.compile(r"""\bclass\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_UNSAID = frozenset({"none", "default", "nohighlight", "auto"})
_NAMES = frozenset(
    "abap actionscript ada apache applescript arduino asm assembly awk bash basic batch bat c c# c++ clojure "
    "cmake cobol coffeescript console cpp crystal cs csharp css csv cuda d dart delphi diff dockerfile elixir elm "
    "erlang f# fortran fsharp gherkin glsl go golang gradle graphql groovy handlebars haskell hcl html http ini "
    "java javascript js json json5 jsonc jsx julia kotlin latex less lisp lua makefile markdown mathematica "
    "matlab md mermaid mysql nginx nim nix objc objective-c objectivec ocaml pascal perl pgsql php plsql "
    "postgresql powershell prolog properties proto protobuf ps1 puppet py pycon python python3 r racket rb rest "
    "rs rst ruby rust sass scala scheme scss sh shell solidity sparql sql stata svelte swift tcl terraform tex "
    "toml ts tsql tsx typescript vb vba vbnet verilog vhdl vim vue wasm xhtml xml xquery xslt yaml yml zig zsh".split()
)


def language_before(page: bytes, start: int) -> str:
    """The language that the tags before position `start` give the code that begins there, the nearest first."""
    for match in reversed(list(_TAG.finditer(page, max(start - MAX_BEFORE, 0), start))):
        if match[3]:
            break
        attributes = match[2].decode("utf-8", "replace").strip()
        classes = " ".join(next(filter(None, found), "") for found in _CLASS.findall(attributes))
        said = _SAID.search(classes) or _ATTRIBUTE.search(attributes)
        if said is None and match[1].lower() == b"div":
            said = _SPHINX.match(classes)
        if said:
            name = said[1].lower()
            return "" if name in _UNSAID else name
        # A name alone: `lang` is for people's languages too, and a class may be about anything.
        is_code = match[1].lower() in (b"pre", b"code")
        words: list[str] = _LANG.findall(attributes) if is_code else []
        for word in words + (classes.split() if is_code or "highlight" in classes else []):
            if word.lower() in _NAMES:
                return word.lower()
    return ""
