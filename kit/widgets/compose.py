"""Plain ES modules put together into the one module that anywidget loads.

A front end is loaded from a blob, in which relative imports fail, and the kit has no build step. So the modules in
`static/` keep to a part of the language that this composer reads line by line:

    import { frame, text as label } from "./columns.js";      at the start of a line, names only, one line
    export function f() ...    export class C ...    export const c = ...    export async function g() ...
    export default { render };                               the last such line of a front end

Each module becomes a function of its own, so that names of two modules never meet. Anything else that imports or
exports is refused, with its place.
"""

import re
from functools import cache
from importlib import resources

from kit.errors import ArgumentError

IMPORT = re.compile(r'^import \{ ([\w ,]+) \} from "\./([\w-]+\.js)";$')
EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) +\*? *([A-Za-z_$][\w$]*))")
DEFAULT = re.compile(r"^export default ")
OTHER = re.compile(r"^\s*(?:import|export)\b|\bimport\s*\(|\bimport\.meta\b")


def compose(*names: str) -> str:
    """Return one ES module that exports what the last of the named modules does by default.

    Names are files of `kit/widgets/static`. Modules they import come with them, once, in front of those who need them.
    """
    order = ordered(names)
    last = _variable(names[-1])
    return "\n".join([*(wrapped(name, source(name)) for name in order), f"export default {last}.default;", ""])


def script(name: str) -> str:
    """Return a classic script of the module `name` and all it imports, for a page that is opened from disk.

    It must have a default export, a function, which is called when the script runs. The text holds no `</`, so that it can
    stand in a script element.
    """
    parts = "\n".join(wrapped(part, source(part)) for part in ordered([name]))
    text = f'(() => {{\n"use strict";\n{parts}\n{_variable(name)}.default();\n}})();\n'
    return text.replace("</", "<\\/").replace("<!--", "<\\!--")


def ordered(names: "tuple[str, ...] | list[str]") -> list[str]:
    """Return the modules and all they import, each behind what it imports; raises ArgumentError for a ring."""
    done: list[str] = []
    entered: list[str] = []

    def enter(name: str) -> None:
        if name in done:
            return
        if name in entered:
            raise ArgumentError(f"the modules {' -> '.join([*entered, name])} import each other")
        entered.append(name)
        for line in source(name).splitlines():
            if found := IMPORT.match(line):
                enter(found[2])
        entered.pop()
        done.append(name)

    for name in names:
        enter(name)
    return done


@cache
def source(name: str) -> str:
    """Return the text of a file of `kit/widgets/static`."""
    file = resources.files("kit").joinpath("widgets", "static", name)
    if not re.fullmatch(r"[\w-]+\.(?:js|css)", name) or not file.is_file():
        raise ArgumentError(f"no module {name!r} in kit/widgets/static")
    return file.read_text("utf-8")


def wrapped(name: str, text: str) -> str:
    """Return the module as a constant that holds its exports; raises ArgumentError for what it cannot put together."""
    lines, exports, default = [], [], False
    for number, line in enumerate(text.splitlines(), 1):
        if found := IMPORT.match(line):
            names = ", ".join(part.strip().replace(" as ", ": ") for part in found[1].split(","))
            lines.append(f"const {{ {names} }} = {_variable(found[2])};")
        elif found := EXPORT.match(line):
            exports.append(found[1])
            lines.append(EXPORT.sub("", line))
        elif DEFAULT.match(line) and not default:
            default = True
            lines.append(DEFAULT.sub("const default_export = ", line))
        elif OTHER.search(line) and not line.lstrip().startswith(("//", "*", "/*")):
            raise ArgumentError(
                f"static/{name}, line {number}: {line.strip()!r} is no form that kit.widgets.compose reads"
            )
        else:
            lines.append(line)
    given = ", ".join([*exports, *(["default: default_export"] if default else [])])
    body = "\n".join(lines)
    return f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {given} }};\n}})();"


def _variable(name: str) -> str:
    return "module_" + re.sub(r"\W", "_", name.removesuffix(".js"))
