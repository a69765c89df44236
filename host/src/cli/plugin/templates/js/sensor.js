// A sensor: reads a thermometer of the TMP102 kind, which plugins.toml lends under the name `sensor`.

import { openI2c } from "punchcard:plugin/hardware@0.1.0";
import { celsiusOf } from "./celsius.js";

export const source = {
  check(settings) {
    const [key] = Object.keys(JSON.parse(settings));
    if (key !== undefined) throw { tag: "invalid-settings", val: `\`${key}\`: this sensor has no settings` };
  },

  listLoans(_settings) {
    return { i2c: ["sensor"], lines: [], oneWire: [] };
  },

  poll(_settings, state, _context) {
    let answer;
    try {
      // Its register 0 has the temperature.
      answer = openI2c("sensor").transaction([{ tag: "write", val: new Uint8Array([0]) }, { tag: "read", val: 2 }]);
    } catch (error) {
      throw { tag: "other", val: `the chip does not answer: ${JSON.stringify(error.payload ?? error)}` };
    }
    const celsius = celsiusOf(answer[0]);
    if (celsius === undefined) throw { tag: "other", val: "the chip can't have measured this" };
    const fields = [{ name: "celsius", value: { tag: "number", val: celsius } }];
    return { state, readings: [{ kind: "reading", fields }] };
  },
};
