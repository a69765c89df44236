"""A sensor: reads a thermometer of the TMP102 kind, which plugins.toml lends under the name `sensor`."""

import json

from celsius import celsius_of
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.source import Loans, Polled, Reading
from wit_world.imports import hardware
from wit_world.imports.records import Field, Value_Number
from wit_world.imports.types import Error_InvalidSettings, Error_Other


class Source(exports.Source):
    def check(self, settings):
        for key in json.loads(settings):
            raise Err(Error_InvalidSettings(f"`{key}`: this sensor has no settings"))

    def list_loans(self, settings):
        return Loans(["sensor"], [], [])

    def poll(self, settings, state, context):
        try:
            chip = hardware.open_i2c("sensor")
            # Its register 0 has the temperature.
            answer = chip.transaction([hardware.Operation_Write(bytes([0])), hardware.Operation_Read(2)])
        except Err as error:
            raise Err(Error_Other(f"the chip does not answer: {error.value!r}")) from None
        celsius = celsius_of(answer[0])
        if celsius is None:
            raise Err(Error_Other("the chip can't have measured this"))
        return Polled(state, [Reading("reading", [Field("celsius", Value_Number(celsius))])])
