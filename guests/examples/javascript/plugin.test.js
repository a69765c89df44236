import assert from "node:assert/strict";
import { test } from "node:test";
import { rowFormat } from "./plugin.js";

const event = (project) => ({
  id: "01J00000000000000000000000",
  at: { unixMicros: 1767603600000000n, utcOffsetMinutes: 0 },
  certainty: "known",
  source: "test",
  kind: "punch",
  fields: [{ name: "project", value: { tag: "text", val: project } }],
});

test("each press is a row with its number, also in the next call", () => {
  let state = new Uint8Array();
  const counts = ["Garden", "Shed", "Garden"].map((project) => {
    const formatted = rowFormat.format("{}", state, [event(project)], {});
    state = formatted.state;
    return formatted.verdicts[0].val.rows[0].cells[2].val;
  });
  assert.deepEqual(counts, [1, 1, 2]);
});

test("an event without a project is rejected", () => {
  const { verdicts } = rowFormat.format("{}", new Uint8Array(), [{ ...event("x"), fields: [] }], {});
  assert.equal(verdicts[0].tag, "reject");
});
