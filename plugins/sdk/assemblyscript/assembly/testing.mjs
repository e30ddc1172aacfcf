// testing.mjs runs a plugin in Node, in an ordinary test, as a server does: see ABI.md.
//
//     const session = new Session(await readFile("build/test.wasm"), { location: ["Utah", "Ohio"], value: [20, null] });
//     assert.deepEqual(session.ask("spread", { least: 1 }), [{ location: "Utah", spread: 0 }]);
//
// A row without a value is null. A parameter that is not given has its default, and select
// leaves only the rows with the value.

const types = { number: 1, integer: 2, string: 3 };
const kinds = { column: 1, number: 2, integer: 3, choice: 4, boolean: 5 };

export class Session {
  /** What the plugin logged: [level, text]. */
  logged = [];

  /** Opens the plugin on columns, arrays by name; optional ones may be absent. It throws what the plugin refuses. */
  constructor(wasm, dataset) {
    const log = (level, at, n) => this.logged.push([level, this.#text(at, n)]);
    this.exports = new WebAssembly.Instance(new WebAssembly.Module(wasm), { lestats_v1: { log, progress() {} } }).exports;
    this.exports._initialize?.();
    const [at, n] = unpack(this.#call("lestats_v1_describe"));
    if (!n) throw new Error("the plugin declared nothing: call serve at the top level of assembly/index.ts");
    this.manifest = JSON.parse(this.#text(at, n));
    this.rows = Object.values(dataset)[0]?.length ?? 0;
    this.columns = this.manifest.columns.map(({ name, type, optional }) => {
      const values = dataset[name] ?? (optional && new Array(this.rows).fill(null));
      if (!values) throw new Error(`the test gives no column ${name}`);
      if (values.length !== this.rows) throw new Error(`the column ${name} has ${values.length} rows, another has ${this.rows}`);
      return { name, type, values, dict: type === "string" ? [...new Set(values.filter((v) => v !== null))].sort(bytewise) : null };
    });
    const directory = this.#alloc(32), array = this.#alloc(64 * this.columns.length);
    this.columns.forEach((c, i) => this.#column(array + 64 * i, c));
    this.#words(directory, [32, 1, this.rows, this.columns.length, 64, array, 0, 0]);
    const packed = this.#call("lestats_v1_open", directory, 32);
    if (packed) this.#response(unpack(packed));
  }

  /** Asks a question and returns its rows as objects. It throws an Error with the plugin's reason. */
  ask(name, given = {}) {
    const index = this.manifest.questions.findIndex((q) => q.name === name);
    if (index < 0) throw new Error(`there is no question ${name}`);
    const q = this.manifest.questions[index], params = q.params ?? [];
    for (const key in given) if (!params.some((p) => p.name === key)) throw new Error(`${name} takes no parameter ${key}`);
    const selected = new Array(this.rows).fill(true), array = this.#alloc(32 * params.length);
    params.forEach((p, i) => {
      const one = given[p.name] ?? p.default, values = one === undefined ? [] : [one].flat();
      const column = this.columns.findIndex((c) => c.name === p.column);
      const at = this.#alloc(8 * values.length);
      values.forEach((v, k) => this.#value(at + 8 * k, p, this.columns[column], v));
      this.#words(array + 32 * i, [kinds[p.type], column >>> 0, values.length, at]);
      if (p.select && values.length) this.columns[column].values.forEach((v, row) => (selected[row] &&= values.includes(v)));
    });
    const ranges = [];
    selected.forEach((yes, row) => {
      if (yes && row && selected[row - 1]) ranges[ranges.length - 1]++;
      else if (yes) ranges.push(row, 1);
    });
    const at = this.#alloc(48), list = this.#alloc(4 * ranges.length);
    this.#words(list, ranges);
    this.#words(at, [48, 1, index, params.length, 32, array, ranges.length / 2, list, selected.filter(Boolean).length]);
    return this.#table(q, this.#response(unpack(this.#call("lestats_v1_answer", at, 48))));
  }

  #call(name, ...args) {
    try {
      return this.exports[name](...args);
    } catch (cause) {
      throw new Error(this.logged.at(-1)?.[1] ?? `${name} trapped`, { cause });
    }
  }
  #view() { return new DataView(this.exports.memory.buffer); }
  #text(at, n) { return Buffer.from(this.exports.memory.buffer, at >>> 0, n).toString(); }
  #u32(at) { return this.#view().getUint32(at, true); }
  #words(at, words) { words.forEach((w, i) => this.#view().setUint32(at + 4 * i, w, true)); }
  /** The address of n bytes, all zero, behind which there are 64 more. */
  #alloc(n) {
    const at = this.exports.lestats_v1_alloc(n + 64, 64) >>> 0;
    new Uint8Array(this.exports.memory.buffer, at, n + 64).fill(0);
    return at;
  }
  #put(bytes) {
    const at = this.#alloc(bytes.length);
    Buffer.from(this.exports.memory.buffer, at, bytes.length).set(bytes);
    return at;
  }

  #column(at, { name, type, values, dict }) {
    const width = type === "string" ? 4 : 8, data = this.#alloc(width * values.length), bitmap = Buffer.alloc((values.length + 7) >> 3);
    values.forEach((v, row) => {
      if (v === null) return;
      bitmap[row >> 3] |= 1 << (row & 7);
      this.#cell(data + width * row, type, v, dict);
    });
    const texts = (dict ?? []).map((text) => Buffer.from(text)), offsets = [0];
    for (const text of texts) offsets.push(offsets.at(-1) + text.length);
    const words = this.#alloc(4 * offsets.length), missing = values.filter((v) => v === null).length;
    this.#words(words, offsets);
    this.#words(at, [
      this.#put(Buffer.from(name)), Buffer.byteLength(name), types[type], 1, data, width * values.length,
      missing && this.#put(bitmap), missing && bitmap.length, missing, texts.length, words, this.#put(Buffer.concat(texts)), offsets.at(-1), 0, 0, 0,
    ]);
  }
  #cell(at, type, v, dict) {
    const view = this.#view();
    if (type === "string") view.setInt32(at, dict.indexOf(v), true);
    else if (type === "integer") view.setBigInt64(at, BigInt(v), true);
    else view.setFloat64(at, v, true);
  }
  #value(at, p, column, v) {
    const known = column?.dict ?? p.choices;
    if (known && !known.includes(v)) throw new Error(`the parameter ${p.name} does not take ${JSON.stringify(v)}`);
    if (known) this.#words(at, [known.indexOf(v)]);
    else if (p.type === "boolean") this.#words(at, [v ? 1 : 0]);
    else this.#cell(at, column?.type ?? p.type, v);
  }

  /** The address of the table, or what the plugin refused. */
  #response([at]) {
    const error = this.#u32(at + 24);
    if (error) throw new Error(this.#text(this.#u32(error + 16), this.#u32(error + 20)));
    return this.#u32(at + 20);
  }
  #table(q, at) {
    const declared = [...(q.result.keys ?? []), ...q.result.values], view = this.#view();
    return Array.from({ length: this.#u32(at + 4) }, (_, row) => Object.fromEntries(declared.map(({ name, type }, i) => {
      const c = this.#u32(at + 16) + i * this.#u32(at + 12), data = this.#u32(c + 16), bitmap = this.#u32(c + 24);
      if (bitmap && !((view.getUint8(bitmap + (row >> 3)) >> (row & 7)) & 1)) return [name, null];
      if (type === "number") return [name, view.getFloat64(data + 8 * row, true)];
      if (type === "integer") return [name, Number(view.getBigInt64(data + 8 * row, true))];
      const offset = this.#u32(c + 40) + 4 * view.getInt32(data + 4 * row, true), start = this.#u32(offset);
      return [name, this.#text(this.#u32(c + 44) + start, this.#u32(offset + 4) - start)];
    })));
  }
}

function unpack(packed) { return [Number(BigInt.asUintN(64, packed) >> 32n), Number(packed & 0xffffffffn)]; }
function bytewise(a, b) { return Buffer.compare(Buffer.from(a), Buffer.from(b)); }
