"""A formatter: a row for each press, with how often its project was chosen so far.

It is called with data and returns data. What it wants to remember is in the state that it returns.
"""

import json

from componentize_py_types import Err
from counting import count_presses
from wit_world import exports
from wit_world.exports.row_format import Accepted, Formatted, Verdict_Accepted, Verdict_Reject
from wit_world.imports.records import (
    Cell_Estimated,
    Cell_Moment,
    Cell_Number,
    Cell_Text,
    Certainty,
    Column,
    ColumnKind,
    Row,
    Value_Text,
)
from wit_world.imports.types import Error_InvalidSettings


def check(settings: str) -> None:
    for key in json.loads(settings):
        raise Err(Error_InvalidSettings(f"`{key}`: this formatter has no settings"))


def project_of(event):
    for field in event.fields:
        if field.name == "project" and isinstance(field.value, Value_Text):
            return field.value.value
    return None


class RowFormat(exports.RowFormat):
    def columns(self, settings):
        check(settings)
        return [
            Column("at", "Pressed", ColumnKind.DATE_TIME),
            Column("project", "Project", ColumnKind.TEXT),
            Column("count", "Times", ColumnKind.NUMBER),
        ]

    def format(self, settings, state, events, context):
        check(settings)
        counts, numbers = count_presses(json.loads(state) if state else {}, [project_of(event) for event in events])
        verdicts, standing = [], None
        for event, number in zip(events, numbers):
            project = project_of(event)
            if number is None:
                verdicts.append(Verdict_Reject("it has no text in the field `project`"))
                continue
            # A moment that is a guess is marked as one.
            at = (Cell_Moment if event.certainty == Certainty.KNOWN else Cell_Estimated)(event.at)
            standing = f"{project}: {number}"
            row = Row("", [at, Cell_Text(project), Cell_Number(float(number))])
            verdicts.append(Verdict_Accepted(Accepted([row], standing)))
        return Formatted(json.dumps(counts).encode(), verdicts, standing)

    def list_fields(self, settings):
        return ["project"]
