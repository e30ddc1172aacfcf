// Opens and asks the plugins of plugins/abi/testdata, and compares their answers
// with the golden bytes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { Session } from "../assembly/testing.mjs";

const here = (path) => new URL(path, import.meta.url);
const golden = (name) => readFileSync(here(`../../../abi/testdata/${name}`));
const module = new WebAssembly.Module(readFileSync(here("../build/golden.wasm")));

class Guest {
  logged = [];
  steps = [];
  constructor(kinds) {
    const { exports } = new WebAssembly.Instance(module, {
      lestats_v1: {
        log: (level, at, n) => this.logged.push([level, this.bytes(at, n).toString()]),
        progress: (done, total) => this.steps.push([done, total]),
      },
    });
    this.exports = exports;
    exports._initialize();
    if (kinds) exports.useKinds();
  }
  bytes(at, n) { return Buffer.from(this.exports.memory.buffer, at >>> 0, n); }
  u32(at) { return this.bytes(at, 4).readUInt32LE(); }
  /** Puts a golden file in place and returns what travels. */
  load(name) {
    const file = golden(name);
    for (let i = 8; i < file.length; ) {
      const at = file.readUInt32LE(i), n = file.readUInt32LE(i + 4);
      file.copy(this.bytes(at, n), 0, i + 8, i + 8 + n);
      i += 8 + n;
    }
    return [file.readUInt32LE(4), file.readUInt32LE(0)];
  }
  /** A response with what its pointers point to in their place. */
  flat([at, n]) {
    const out = [n], add = (from, size) => out.push(this.bytes(from, size).toString("hex"));
    const tables = this.u32(at + 20), error = this.u32(at + 24);
    add(at, 20), add(at + 28, 4);
    if (error) {
      add(error, 16), add(this.u32(error + 16), this.u32(error + 20)), add(error + 20, 12);
      return out;
    }
    add(tables, 16), add(tables + 20, 12);
    for (let i = 0; i < this.u32(tables + 8); i++) {
      const c = this.u32(tables + 16) + i * this.u32(tables + 12), pointed = (p, size) => add(this.u32(c + p), this.u32(c + size));
      for (const [from, size] of [[0, 16], [20, 4], [28, 12], [48, 16]]) add(c + from, size);
      pointed(16, 20), pointed(24, 28), pointed(44, 48);
      if (this.u32(c + 8) === 3) add(this.u32(c + 40), 4 * this.u32(c + 36) + 4);
    }
    return out;
  }
  unpack(packed) { return [Number(BigInt.asUintN(64, packed) >> 32n), Number(packed & 0xffffffffn)]; }
  open(name) { return this.exports.lestats_v1_open(...this.load(name)); }
  answer(name) { return this.unpack(this.exports.lestats_v1_answer(...this.load(name))); }
  code(response) { return this.u32(this.u32(response[0] + 24) + 8); }
}

for (const name of ["example", "kinds"]) {
  test(name, () => {
    const g = new Guest(name === "kinds");
    assert.equal(g.bytes(...g.unpack(g.exports.lestats_v1_describe())).toString(), golden(`${name}_manifest.json`).toString());
    assert.equal(g.open(`${name}_directory.bin`), 0n);
    for (const question of ["_", "_error_", "_"]) { // the first again: no job leaves anything behind
      const got = g.flat(g.answer(`${name}${question}request.bin`));
      assert.deepEqual(got, g.flat(g.load(`${name}${question}response.bin`)), name + question);
    }
    if (name === "kinds") assert.deepEqual([g.logged[0], g.steps[0]], [[2, "careful"], [3n, 7n]]);
  });
}

test("alloc", () => {
  const g = new Guest();
  assert.equal(g.exports.lestats_v1_alloc(1, 3), 0);
  assert.equal(g.exports.lestats_v1_alloc(100, 65536) % 65536, 0);
});

test("optional columns may be left out", () => {
  const session = new Session(readFileSync(here("../build/optional.wasm")), { city: ["Bern", null, "Chur"], year: [2000, 2001, null] });
  assert.deepEqual(session.ask("counts").map(({ n }) => n), [3, 1, 3, 0, 2]);
});

test("misuse", () => {
  const g = new Guest(true);
  assert.equal(g.code(g.answer("kinds_request.bin")), 1, "a request before the dataset");
  assert.equal(g.code(g.unpack(g.open("example_directory.bin"))), 4, "another plugin's directory");
  assert.equal(g.open("kinds_directory.bin"), 0n);
  const [at, n] = g.load("kinds_request.bin");
  g.bytes(at + 8, 8).fill(0); // question 0, which appends nothing
  assert.equal(g.code(g.unpack(g.exports.lestats_v1_answer(at, n))), 3);
  g.bytes(at + 8, 1).fill(2); // there is none
  assert.equal(g.code(g.unpack(g.exports.lestats_v1_answer(at, n))), 1);
});
