import assert from "node:assert/strict";
import { test } from "node:test";
import { delivery } from "./plugin.js";

const batch = {
  id: "id-1",
  columns: [{ key: "project", title: "Project", kind: "text" }],
  rows: [{ key: "01J/0", cells: [{ tag: "text", val: "Garden" }] }],
  corrections: [],
};
const step = (signal) => delivery.step('{"url":"https://rows.example/in"}', new Uint8Array(), batch, signal, {}).next;
const answered = (status) => ({ tag: "responded", val: { status, headers: [], body: new Uint8Array() } });

test("a batch is posted, and delivered once the receiver has it", () => {
  const request = step({ tag: "begin" }).val;
  const body = JSON.parse(new TextDecoder().decode(request.body.bytes));
  assert.deepEqual(body, { batch: "id-1", rows: [{ project: "Garden", key: "01J/0" }] });
  assert.equal(step(answered(201)).tag, "delivered");
  assert.equal(step(answered(503)).tag, "wait");
  assert.equal(step(answered(403)).tag, "hold");
  assert.equal(step({ tag: "failed", val: { tag: "unsent", val: "no route" } }).tag, "wait");
});
