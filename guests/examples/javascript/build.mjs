// From JavaScript to a component: `npm run build`.

import { writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const [worldName, name] = process.argv.slice(2);
const { component } = await componentize({
  sourcePath: "plugin.js",
  witPath: process.env.PUNCHCARD_WIT ?? "wit",
  worldName,
  // A plugin has no network; the host refuses what imports one.
  disableFeatures: ["http", "fetch-event"],
});
await writeFile(`${name}.wasm`, component);
console.log(`${name}.wasm: ${component.length} bytes`);
