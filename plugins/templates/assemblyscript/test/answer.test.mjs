// The plugin in Node, on a few rows: npm test
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Session } from "../sdk/testing.mjs";

test("spread", () => {
  const session = new Session(readFileSync(new URL("../build/test.wasm", import.meta.url)), {
    question: ["obesity", "obesity", "obesity", "obesity", "smoking"],
    location: ["Ohio", "Utah", "Ohio", "Utah", "Utah"],
    value: [30, 20, 34.5, null, 90],
  });
  assert.deepEqual(session.ask("my_plugin", { question: "obesity", least: 1 }), [{ location: "Ohio", spread: 4.5 }]);
  assert.equal(session.ask("my_plugin", { question: "obesity" }).length, 2); // and the default of least
});
