import assert from "node:assert/strict";
import { test } from "node:test";
import { celsiusOf } from "./celsius.js";

test("two bytes are a temperature, below and above zero", () => {
  assert.equal(celsiusOf(new Uint8Array([0x19, 0x00])), 25);
  assert.equal(celsiusOf(new Uint8Array([0xe7, 0x00])), -25);
  assert.equal(celsiusOf(new Uint8Array([0x80, 0x00])), undefined);
  assert.equal(celsiusOf(new Uint8Array([0x19])), undefined);
});
