"""Instructions of templates: text with placeholders `{{text}}` and `{{variable}}`, and no other language at all.

Nothing is evaluated. What a placeholder stands for is put in its place once; a value that looks like a placeholder is
text like any other.
"""

import re
from collections.abc import Collection, Mapping, Sequence

from mesh.errors import InvalidArgument
from pagemesh.results.v1.analysis_pb2 import TemplatePiece
from pagemesh.results.v1.templates_pb2 import TemplateVariable

DOCUMENT = "text"
_PLACEHOLDER = re.compile(r"\{\{[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*\}\}")
_OPENING = re.compile(r"\{\{|\{%|\{#")
_SHOWN = 40
_MOST_CHARACTERS = 64_000


def parse(instructions: str, declared: Collection[str]) -> list[tuple[str, bool]]:
    """The text in order, each piece with whether it is the name of a placeholder.

    Raises InvalidArgument, field `instructions`, for braces that are no placeholder and for names that nobody declared.
    """
    pieces, start = [], 0
    while opening := _OPENING.search(instructions, start):
        found = _PLACEHOLDER.match(instructions, opening.start())
        if found is None:
            raise _wrong(f"Only {{{{name}}}} may stand in braces, not {_shown(instructions, opening.start())}.")
        if found[1] not in (DOCUMENT, *declared):
            raise _wrong(f"There is no variable {found[1]!r}; it is not declared.")
        pieces += [(instructions[start : opening.start()], False), (found[1], True)]
        start = found.end()
    return [piece for piece in (*pieces, (instructions[start:], False)) if piece[0]]


def fill(instructions: str, variables: Sequence[TemplateVariable], values: Mapping[str, str]) -> list[TemplatePiece]:
    """The instructions with values in the places of their variables.

    Raises InvalidArgument naming the field for a value that nobody declared or that is missing, or if it gets too long.
    """
    known = {variable.name: variable for variable in variables}
    for name in values:
        if name not in known:
            raise InvalidArgument("The template has no such variable.", field=f"options.variables.{name[:64]}")
    taken = {name: _value(variable, values) for name, variable in known.items()}
    pieces = [_piece(text, is_name, taken) for text, is_name in parse(instructions, known)]
    if sum(len(piece.said) + len(piece.value) for piece in pieces) > _MOST_CHARACTERS:
        raise InvalidArgument(
            f"With these values the instructions have more than {_MOST_CHARACTERS} characters.",
            field="options.variables",
        )
    return pieces


def _value(variable: TemplateVariable, values: Mapping[str, str]) -> str:
    if variable.name in values:
        return values[variable.name]
    if variable.required and not variable.HasField("default"):
        raise InvalidArgument("The template needs a value for this.", field=f"options.variables.{variable.name}")
    return variable.default


def _piece(text: str, is_name: bool, values: Mapping[str, str]) -> TemplatePiece:
    if not is_name:
        return TemplatePiece(said=text)
    return TemplatePiece(document=True) if text == DOCUMENT else TemplatePiece(value=values[text])


def _shown(instructions: str, at: int) -> str:
    return repr(instructions[at : at + _SHOWN].splitlines()[0])


def _wrong(message: str) -> InvalidArgument:
    return InvalidArgument(message, field="instructions")
