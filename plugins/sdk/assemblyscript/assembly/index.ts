/**
 * What a plugin for Le Stats Sportifs is written with, in AssemblyScript.
 *
 * A plugin declares the columns that it reads, its questions with their
 * parameters and results, and a function for each that computes the answer:
 *
 *     import { Job, Failure, StringColumn, NumberColumn, CodeResult, NumberResult, serve } from "lestats";
 *     export { lestats_v1_alloc, lestats_v1_describe, lestats_v1_open, lestats_v1_answer } from "lestats";
 *
 *     const location: StringColumn = { name: "location" };
 *     const value: NumberColumn = { name: "value" };
 *     const state: CodeResult = { column: location };
 *     const most: NumberResult = { name: "maximum", unitOf: value };
 *
 *     function maximum(job: Job): Failure | null { ... }
 *
 *     serve({
 *       name: "extremes", version: "1.0.0", columns: [location, value],
 *       questions: [{ name: "maximum", result: { keys: [state], values: [most], layout: "map" }, answer: maximum }],
 *     });
 *
 * What is declared doubles as a typed handle: value.values() are the numbers of
 * that column, most.append(1.5) adds one to the result. Build with
 *
 *     asc assembly/index.ts -o plugin.wasm -O3 --runtime stub --exportStart _initialize --use abort=~lib/lestats/index/abort
 *
 * Nothing is ever freed: after each job the host puts memory back as it was
 * after open.
 */

// --- memory ---

/** float64s in memory, indexed by row; there is no check. */
@unmanaged export class Float64View {
  @operator("[]") private get(i: u32): f64 { return load<f64>(changetype<usize>(this) + (<usize>i << 3)); }
  @operator("[]=") private set(i: u32, v: f64): void { store<f64>(changetype<usize>(this) + (<usize>i << 3), v); }
}
/** int64s in memory, indexed by row; there is no check. */
@unmanaged export class Int64View {
  @operator("[]") private get(i: u32): i64 { return load<i64>(changetype<usize>(this) + (<usize>i << 3)); }
  @operator("[]=") private set(i: u32, v: i64): void { store<i64>(changetype<usize>(this) + (<usize>i << 3), v); }
}
/** int32s in memory, indexed by row; there is no check. */
@unmanaged export class Int32View {
  @operator("[]") private get(i: u32): i32 { return load<i32>(changetype<usize>(this) + (<usize>i << 2)); }
  @operator("[]=") private set(i: u32, v: i32): void { store<i32>(changetype<usize>(this) + (<usize>i << 2), v); }
}

/** Bytes that grow. */
class Buffer {
  at: usize = 0;
  len: u32 = 0;
  capacity: u32 = 0;

  /** Adds n bytes and returns where they are. */
  @inline more(n: u32): usize {
    if (this.capacity - this.len < n) this.grow(n);
    this.len += n;
    return this.at + this.len - n;
  }
  private grow(n: u32): void {
    this.capacity = max<u32>(256, 2 * (this.len + n));
    const at = heap.alloc(this.capacity);
    memory.copy(at, this.at, this.len);
    this.at = at;
  }
  text(s: string): void {
    const n = String.UTF8.byteLength(s);
    String.UTF8.encodeUnsafe(changetype<usize>(s), s.length, this.more(n));
  }
}

/** The address of a struct of so many bytes, all zero. */
function zeros(size: usize): usize {
  const at = heap.alloc(size);
  memory.fill(at, 0, size);
  return at;
}

// --- log, progress, errors ---

@external("lestats_v1", "log") declare function importLog(level: u32, text: usize, len: usize): void;
@external("lestats_v1", "progress") declare function importProgress(done: i64, total: i64): void;

/** How much a line of the log matters. */
export const enum Level { Debug, Info, Warn, Err }

function log(level: Level, text: string): void {
  const b = new Buffer();
  b.text(text);
  importLog(level, b.at, b.len);
}

/** What a failed assertion, a bad index or a throw ends in: a line of the log, and a trap. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  log(Level.Err, "abort: " + (message ? message : "") + " at " + (file ? file : "") + ":" + line.toString() + ":" + column.toString());
  unreachable();
}

/** Ends the job: the host shows the last words to the plugin's author. */
function forgotten(what: string, name: string, list: string): void {
  const asked = question;
  log(Level.Err, what + ' "' + name + '" is not listed; add its handle to ' + list + (asked && list != "columns of the plugin" ? " of the question " + asked.name : ""));
  unreachable();
}

const ERR_FAILED: u32 = 1, ERR_BAD_PARAM: u32 = 2, ERR_NO_DATA: u32 = 3, ERR_DATASET: u32 = 4;

/** Why there is no answer. */
export class Failure {
  code: u32 = ERR_FAILED;
  param: Param | null = null;
  text: string = "";
}
/** It could not be computed. */
export function failed(text: string): Failure { return { text }; }
/** The value of a parameter makes no sense. */
export function badParam(param: Param, text: string): Failure { return { code: ERR_BAD_PARAM, param, text }; }
/** No selected row has what the question needs; param is what it is about. */
export function noData(text: string, param: Param | null = null): Failure { return { code: ERR_NO_DATA, param, text }; }

// --- columns ---

const FLOAT64: u32 = 1, INT64: u32 = 2, STRING: u32 = 3;

/** Narrows down the selected rows. A column passes the rows that have a value; is() those that have one value. */
export class Filter {
  /** @internal */ valid: usize = 0;
  /** @internal */ codes_: usize = 0;
  /** @internal */ code_: i32 = 0;
}

/** A handle to a column of the dataset: listed in Plugin.columns. */
export class Column extends Filter {
  name: string = "";
  /**
   * A dataset without such a column fits the plugin nevertheless. Then no row has a value,
   * and a dictionary is empty. See Question.needs.
   */
  optional: bool = false;
  /** @internal */ data: usize = 0;
  /** @internal */ raw: usize = 0; // as the directory has it; 0: the plugin does not list the column
  kind(): u32 { return 0; }
  /** @internal */ @inline listed(): usize {
    if (!this.raw) forgotten("the column", this.name, "columns of the plugin");
    return this.raw;
  }

  /** How many rows of the dataset have no value. */
  missing(): u32 { return load<u32>(this.listed(), 32); }
  /** The dataset's unit, such as "%", or "". */
  unit(): string { return String.UTF8.decodeUnsafe(load<u32>(this.listed(), 52), load<u32>(this.raw, 56)); }
}

/** A column of f64. */
export class NumberColumn extends Column {
  kind(): u32 { return FLOAT64; }
  /** The numbers of all rows of the dataset. The value of a missing row is undefined. */
  values(): Float64View { this.listed(); return changetype<Float64View>(this.data); }
}

/** A column of i64. */
export class IntegerColumn extends Column {
  kind(): u32 { return INT64; }
  /** The integers of all rows of the dataset. The value of a missing row is undefined. */
  values(): Int64View { this.listed(); return changetype<Int64View>(this.data); }
}

/**
 * A column of strings: one code per row, and a dictionary that says what each stands
 * for. It ascends bytewise, so comparing codes compares strings.
 */
export class StringColumn extends Column {
  kind(): u32 { return STRING; }
  /** The codes of all rows of the dataset. The value of a missing row is undefined. */
  codes(): Int32View { this.listed(); return changetype<Int32View>(this.data); }
  /** The size of the dictionary: codes are from 0 up to below it. */
  count(): i32 { return load<i32>(this.listed(), 36); }
  /** The string that a code stands for: a copy. */
  text(code: i32): string {
    const at = this.start(code);
    return String.UTF8.decodeUnsafe(at, this.start(code + 1) - at);
  }
  /** The code of a string, or -1 if the column has no such value. */
  code(text: string): i32 {
    const b = new Buffer();
    b.text(text);
    let low = 0, high = this.count();
    while (low < high) {
      const middle = (low + high) >> 1, at = this.start(middle), n = <u32>(this.start(middle + 1) - at);
      const order = memory.compare(at, b.at, min(n, b.len));
      if (order == 0 && n == b.len) return middle;
      if (order < 0 || (order == 0 && n < b.len)) low = middle + 1;
      else high = middle;
    }
    return -1;
  }
  /** Passes the rows whose value has this code. */
  is(code: i32): Filter { this.listed(); return { valid: this.valid, codes_: this.data, code_: code }; }

  private start(code: i32): usize {
    return load<usize>(this.listed(), 44) + load<usize>(load<usize>(this.raw, 40) + (<usize>code << 2));
  }
}

// --- rows ---

/**
 * The selected rows that pass every filter, ascending:
 *
 *     for (const rows = job.rows([value]); rows.next(); ) sum += values[rows.row];
 */
export class Rows {
  /** By which the values of a column are indexed. */
  row: u32 = 0;
  private mask: u64 = 0; // what is left of the 64 rows from base on
  private base: u32 = 0;
  private at: u32 = 0;
  private end: u32 = 0; // of the range
  /** @internal */ filters: Filter[] = [];
  /** @internal */ ranges: usize = 0;
  /** @internal */ left: u32 = 0; // ranges

  /** Goes to the next row, or returns false after the last. */
  @inline next(): bool {
    if (!this.mask && !this.fill()) return false;
    this.row = this.base + <u32>ctz(this.mask);
    this.mask &= this.mask - 1;
    return true;
  }

  /** Finds the next 64 rows, beginning at a multiple of 64, of which any passes. */
  /** @internal */ fill(): bool {
    do {
      if (this.at == this.end) {
        if (!this.left) return false;
        this.at = load<u32>(this.ranges);
        this.end = this.at + load<u32>(this.ranges, 4);
        this.ranges += 8;
        this.left--;
      }
      const base = this.at & ~63, n = min<u32>(64, this.end - base);
      let mask = (u64.MAX_VALUE << (this.at & 63)) & (u64.MAX_VALUE >> (64 - n));
      this.base = base;
      this.at = base + n;
      for (let i = 0; i < this.filters.length; i++) {
        const f = unchecked(this.filters[i]);
        if (f.valid) mask &= load<u64>(f.valid + (<usize>base >> 3)); // the last word of a bitmap exists
        if (f.codes_) {
          let equal: u64 = 0;
          for (let k: u32 = 0, codes = f.codes_ + (<usize>base << 2); k < n; k++) {
            equal |= <u64>(load<i32>(codes + (<usize>k << 2)) == f.code_) << k;
          }
          mask &= equal;
        }
      }
      this.mask = mask;
    } while (!this.mask);
    return true;
  }
}

/** A run of selected rows. */
@unmanaged export class Range {
  start: u32;
  count: u32;
}

/** One asking of one question. */
export class Job {
  /** The number of selected rows. */
  selected: u32 = 0;
  /** @internal */ ranges_: usize = 0;
  /** How many runs the selected rows are. */
  rangeCount: u32 = 0;

  /** Run i of the selected rows, which ascend and do not touch. */
  range(i: u32): Range { return changetype<Range>(this.ranges_ + (<usize>i << 3)); }
  /** The selected rows that pass every filter. */
  rows(filters: Filter[] = []): Rows {
    for (let i = 0; i < filters.length; i++) {
      const f = filters[i];
      if (f instanceof Column) (f as Column).listed();
    }
    return { filters, ranges: this.ranges_, left: this.rangeCount };
  }
  /** Writes a line to the host's log. */
  log(level: Level, text: string): void { log(level, text); }
  /** Tells the host that done of total steps are complete. */
  progress(done: i64, total: i64): void { importProgress(done, total); }
}

// --- parameters ---

/** A handle to a parameter of a question: listed in Question.params. */
export class Param {
  name: string = ""; // [a-z][a-z0-9_]*; "where" is reserved
  title: string = "";
  description: string = "";
  required: bool = false;
  list: bool = false; // takes one value or an array of them
  select: bool = false; // with column: only the rows that have the value reach the question
  /** How many values were given: 0 where it was left out. */
  get length(): i32 {
    const asked = question;
    if (this.asker == null || this.asker != asked) forgotten("the parameter", this.name, "params");
    return this.count;
  }
  /** @internal */ asker: Question | null = null; // whose the values are
  /** @internal */ count: i32 = 0;
  /** @internal */ given: usize = 0;

  kind(): u32 { return 0; }
  /** @internal */ describe(e: Encoder): void {}
}

/** Takes a value of a column of strings. */
export class StringParam extends Param {
  column: StringColumn | null = null;
  fallback: string = ""; // "": none
  /** The code of value i. */
  at(i: i32): i32 { return load<i32>(this.given + (<usize>i << 3)); }
  /** The code of what was given, or otherwise. */
  get(otherwise: i32 = -1): i32 { return this.length ? this.at(0) : otherwise; }

  kind(): u32 { return 1; }
  describe(e: Encoder): void {
    e.head(this, "column", this.column);
    e.optional("default", this.fallback);
  }
}

/** Takes a number, or a value of a column of numbers. NaN stands for no bound and no default. */
export class NumberParam extends Param {
  column: NumberColumn | null = null;
  min: f64 = NaN;
  max: f64 = NaN;
  fallback: f64 = NaN;
  /** Value i. */
  at(i: i32): f64 { return load<f64>(this.given + (<usize>i << 3)); }
  /** What was given, or otherwise. */
  get(otherwise: f64 = NaN): f64 { return this.length ? this.at(0) : otherwise; }

  kind(): u32 { return this.column ? 1 : 2; }
  describe(e: Encoder): void {
    e.head(this, "number", this.column);
    if (!isNaN(this.min)) e.scalar("min", this.min.toString());
    if (!isNaN(this.max)) e.scalar("max", this.max.toString());
    if (!isNaN(this.fallback)) e.scalar("default", this.fallback.toString());
  }
}

/** Takes an integer, or a value of a column of integers. i64.MIN_VALUE stands for no bound and no default. */
export class IntegerParam extends Param {
  column: IntegerColumn | null = null;
  min: i64 = i64.MIN_VALUE;
  max: i64 = i64.MIN_VALUE;
  fallback: i64 = i64.MIN_VALUE;
  at(i: i32): i64 { return load<i64>(this.given + (<usize>i << 3)); }
  /** What was given, or otherwise. */
  get(otherwise: i64 = i64.MIN_VALUE): i64 { return this.length ? this.at(0) : otherwise; }

  kind(): u32 { return this.column ? 1 : 3; }
  describe(e: Encoder): void {
    e.head(this, "integer", this.column);
    if (this.min != i64.MIN_VALUE) e.scalar("min", this.min.toString());
    if (this.max != i64.MIN_VALUE) e.scalar("max", this.max.toString());
    if (this.fallback != i64.MIN_VALUE) e.scalar("default", this.fallback.toString());
  }
}

/** Takes one of a few words. */
export class ChoiceParam extends Param {
  choices: string[] = [];
  fallback: string = ""; // "": none
  /** The index of value i among choices. */
  at(i: i32): i32 { return load<i32>(this.given + (<usize>i << 3)); }
  /** The index of what was given, or otherwise. */
  get(otherwise: i32 = -1): i32 { return this.length ? this.at(0) : otherwise; }

  kind(): u32 { return 4; }
  describe(e: Encoder): void {
    e.head(this, "choice", null);
    e.begin("choices", "[");
    for (let i = 0; i < this.choices.length; i++) e.text(this.choices[i]);
    e.end("]");
    e.optional("default", this.fallback);
  }
}

/** Takes true or false. */
export class BooleanParam extends Param {
  fallback: i32 = -1; // 0, 1, or none
  at(i: i32): bool { return load<u64>(this.given + (<usize>i << 3)) != 0; }
  /** What was given, or otherwise. */
  get(otherwise: bool = false): bool { return this.length ? this.at(0) : otherwise; }

  kind(): u32 { return 5; }
  describe(e: Encoder): void {
    e.head(this, "boolean", null);
    if (this.fallback >= 0) e.scalar("default", this.fallback ? "true" : "false");
  }
}

// --- results ---

/** A handle to a column of a result: listed in Result.keys or Result.values. */
export class ResultColumn {
  name: string = "";
  title: string = "";
  unit: string = ""; // "%", "years"; of figures
  unitOf: Column | null = null; // takes the dataset's unit of this column; of figures
  /**
   * What a column of figures is, for the host's pictures, headlines and notes: "estimate",
   * "mean" (a plain mean of the measure), "mean_difference", "difference" (of two
   * values, or a limit of its interval), "low" and "high" (limits of the interval), "count",
   * "rank", or "". A result has at most one of each, but two of "rank", the best and the
   * worst, and three of "difference".
   */
  shows: string = "";
  /** The number of rows so far. */
  length: u32 = 0;
  /** @internal */ asker: Question | null = null; // whose the rows are
  /** @internal */ data: Buffer = new Buffer();
  /** @internal */ missing: Buffer = new Buffer();

  kind(): u32 { return 0; }
  label(): string { return this.name; }
  /** Adds n rows to the count. */
  /** @internal */ @inline more(n: u32): void {
    if (this.asker == null || this.asker != question) forgotten("the result's column", this.label(), "keys or values of the result");
    this.length += n;
  }
  /** Adds a row without a value. */
  appendMissing(): void {
    store<u32>(this.missing.more(4), this.length);
    this.blank();
  }
  /** @internal */ blank(): void {}
  /** @internal */ reset(): void { this.length = this.data.len = this.missing.len = 0; }
  /** @internal */ place(c: usize): void {
    store<u32>(c, this.kind(), 8);
    store<u32>(c, this.data.at, 16);
    store<u32>(c, this.data.len, 20);
    const missing = this.missing.len >> 2, n = (this.length + 7) >> 3;
    if (!missing) return;
    const valid = heap.alloc(n);
    memory.fill(valid, 0xff, n);
    for (let i: u32 = 0; i < missing; i++) {
      const row = load<u32>(this.missing.at + (<usize>i << 2)), at = valid + (row >> 3);
      store<u8>(at, load<u8>(at) & ~(<u8>1 << <u8>(row & 7)));
    }
    store<u32>(c, valid, 24);
    store<u32>(c, n, 28);
    store<u32>(c, missing, 32);
  }
}

/** A column of strings that a column of the dataset has: it takes codes, and no string is copied. */
export class CodeResult extends ResultColumn {
  column: StringColumn = new StringColumn();
  kind(): u32 { return STRING; }
  label(): string { return this.name == "" ? this.column.name : this.name; }
  /** Adds a row. */
  append(code: i32): void { this.extend(1)[0] = code; }
  /** Adds n rows and returns them, to be filled in before the next call. */
  extend(n: u32): Int32View { this.more(n); return changetype<Int32View>(this.data.more(n << 2)); }
  blank(): void { this.append(0); }
  place(c: usize): void {
    super.place(c);
    const from = this.column.listed();
    store<u32>(c, load<u32>(from, 12) & 1, 12);
    memory.copy(c + 36, from + 36, 16);
  }
}

/** A column of finite numbers. */
export class NumberResult extends ResultColumn {
  kind(): u32 { return FLOAT64; }
  /** Adds a row. */
  append(value: f64): void { this.extend(1)[0] = value; }
  /** Adds n rows and returns them, to be filled in before the next call. */
  extend(n: u32): Float64View { this.more(n); return changetype<Float64View>(this.data.more(n << 3)); }
  blank(): void { this.append(0); }
}

/** A column of integers. */
export class IntegerResult extends ResultColumn {
  kind(): u32 { return INT64; }
  /** Adds a row. */
  append(value: i64): void { this.extend(1)[0] = value; }
  /** Adds n rows and returns them, to be filled in before the next call. */
  extend(n: u32): Int64View { this.more(n); return changetype<Int64View>(this.data.more(n << 3)); }
  blank(): void { this.append(0); }
}

/** A column of strings of the plugin's own. */
export class StringResult extends ResultColumn {
  /** @internal */ bytes: Buffer = new Buffer();
  /** @internal */ offsets: Buffer = new Buffer();
  kind(): u32 { return STRING; }
  /** Adds a row; the text is copied. */
  append(text: string): void {
    this.more(1);
    store<u32>(this.data.more(4), this.length - 1);
    this.bytes.text(text);
    store<u32>(this.offsets.more(4), this.bytes.len);
  }
  blank(): void { this.append(""); }
  reset(): void {
    super.reset();
    this.bytes.len = this.offsets.len = 0;
    store<u32>(this.offsets.more(4), 0);
  }
  place(c: usize): void {
    super.place(c);
    store<u32>(c, this.length, 36);
    store<u32>(c, this.offsets.at, 40);
    store<u32>(c, this.bytes.at, 44);
    store<u32>(c, this.bytes.len, 48);
  }
}

// --- what a plugin declares ---

/** Declares the table that answers a question. */
export class Result {
  keys: ResultColumn[] = [];
  values: ResultColumn[] = []; // at least one
  layout: string = ""; // "rows", "map", "nested" or "record"
  chart: string = ""; // "bar", "dots" (with intervals), "line", "map", "none", or "": the page decides

  /** @internal */ at(i: i32): ResultColumn {
    return i < this.keys.length ? this.keys[i] : this.values[i - this.keys.length];
  }
  /** @internal */ get length(): i32 { return this.keys.length + this.values.length; }
}

/** One named analysis. */
export class Question {
  name: string = "";
  title: string = "";
  description: string = "";
  params: Param[] = [];
  result: Result = new Result();
  /** Optional columns that the question cannot do without: a dataset that lacks one does not have the question. */
  needs: Column[] = [];
  /**
   * The JSON body of a request that shows the question at its best:
   * '{"state": "Ohio", "where": {"year": 2020}}', with every required parameter. The host's pages and
   * commands use it unless their dataset lacks its values. "": they choose the values.
   */
  example: string = "";
  /** Appends rows to each of the result's columns. To append nothing is to find no data. */
  answer: (job: Job) => Failure | null = (job: Job): Failure | null => null;
}

/** A plugin as described by its manifest. */
export class Plugin {
  name: string = "";
  version: string = "";
  title: string = "";
  description: string = "";
  license: string = "";
  homepage: string = "";
  columns: Column[] = []; // of the dataset: what the questions read, each once
  questions: Question[] = [];
  /**
   * Called once, with all rows, before any question: what it keeps every
   * question finds. A failure refuses the dataset.
   */
  open: (job: Job) => Failure | null = (job: Job): Failure | null => null;
}

// --- the manifest ---

class Encoder {
  out: string = "";

  private comma(): void {
    const n = this.out.length;
    const last = n ? this.out.charCodeAt(n - 1) : 0x7b;
    if (last != 0x7b && last != 0x5b && last != 0x3a) this.out += ","; // { [ :
  }
  key(key: string): void { this.text(key); this.out += ":"; }
  begin(key: string, bracket: string): void {
    if (key != "") this.key(key);
    this.comma();
    this.out += bracket;
  }
  end(bracket: string): void { this.out += bracket; }
  scalar(key: string, value: string): void { this.key(key); this.out += value; }
  pair(key: string, text: string): void { this.key(key); this.text(text); }
  optional(key: string, text: string): void { if (text != "") this.pair(key, text); }
  flag(key: string, set: bool): void { if (set) this.scalar(key, "true"); }
  text(s: string): void {
    this.comma();
    this.out += '"';
    for (let i = 0; i < s.length; i++) {
      const c = s.charCodeAt(i);
      if (c < 0x20) this.out += "\\u00" + (c < 16 ? "0" : "") + c.toString(16);
      else this.out += (c == 0x22 || c == 0x5c ? "\\" : "") + s.charAt(i);
    }
    this.out += '"';
  }

  head(p: Param, type: string, column: Column | null): void {
    this.pair("name", p.name);
    this.optional("title", p.title);
    this.optional("description", p.description);
    this.pair("type", column ? "column" : type);
    if (column) this.pair("column", column.name);
  }
  results(key: string, columns: ResultColumn[]): void {
    this.begin(key, "[");
    for (let i = 0; i < columns.length; i++) {
      const c = columns[i], unitOf = c.unitOf;
      this.begin("", "{");
      this.pair("name", c.label());
      this.pair("type", typeName(c.kind()));
      this.optional("title", c.title);
      this.optional("unit", c.unit);
      if (unitOf) this.pair("unit_of", unitOf.name);
      this.optional("shows", c.shows);
      this.end("}");
    }
    this.end("]");
  }
  plugin(p: Plugin): void {
    this.begin("", "{");
    this.pair("name", p.name);
    this.pair("version", p.version);
    this.optional("title", p.title);
    this.optional("description", p.description);
    this.optional("license", p.license);
    this.optional("homepage", p.homepage);
    this.begin("columns", "[");
    for (let i = 0; i < p.columns.length; i++) {
      this.begin("", "{");
      this.pair("name", p.columns[i].name);
      this.pair("type", typeName(p.columns[i].kind()));
      this.flag("optional", p.columns[i].optional);
      this.end("}");
    }
    this.end("]");
    this.begin("questions", "[");
    for (let i = 0; i < p.questions.length; i++) this.question(p.questions[i]);
    this.end("]");
    this.end("}");
  }
  question(q: Question): void {
    this.begin("", "{");
    this.pair("name", q.name);
    this.optional("title", q.title);
    this.optional("description", q.description);
    if (q.params.length) {
      this.begin("params", "[");
      for (let i = 0; i < q.params.length; i++) {
        const p = q.params[i];
        this.begin("", "{");
        p.describe(this);
        this.flag("required", p.required);
        this.flag("list", p.list);
        this.flag("select", p.select);
        this.end("}");
      }
      this.end("]");
    }
    this.begin("result", "{");
    if (q.result.keys.length) this.results("keys", q.result.keys);
    this.results("values", q.result.values);
    this.optional("layout", q.result.layout);
    this.optional("chart", q.result.chart);
    this.end("}");
    if (q.needs.length) {
      this.begin("needs", "[");
      for (let i = 0; i < q.needs.length; i++) this.text(q.needs[i].name);
      this.end("]");
    }
    if (q.example != "") this.scalar("example", q.example);
    this.end("}");
  }
}

function typeName(kind: u32): string { return kind == FLOAT64 ? "number" : kind == INT64 ? "integer" : "string"; }

// --- the exports: see ABI.md for the offsets ---

let plugin: Plugin = new Plugin();
let manifest: Buffer = new Buffer();
let opened: bool = false;
let question: Question | null = null; // while it is answered
let datasetRows: u32 = 0;
const job: Job = new Job();

/** Makes p the plugin of this module; called once, at the top level. */
export function serve(p: Plugin): void {
  plugin = p;
  manifest.len = 0;
  const e = new Encoder();
  e.plugin(p);
  manifest.text(e.out);
}

function pack(at: usize, n: u32): u64 { return (<u64>at << 32) | n; }

function fail(f: Failure, params: Param[]): u64 {
  const text = new Buffer(), at = zeros(64);
  text.text(f.text);
  const about = f.param;
  store<u64>(at, 0x1_0000_0020); // size 32, version 1
  store<u32>(at, 1, 8);
  store<u32>(at, 32, 16);
  store<u32>(at, at + 32, 24);
  store<u64>(at, 0x1_0000_0020, 32);
  store<u32>(at, f.code, 40);
  store<u32>(at, about ? params.indexOf(about) : -1, 44);
  store<u32>(at, text.at, 48);
  store<u32>(at, text.len, 52);
  return pack(at, 32);
}

export function lestats_v1_alloc(size: u32, align: u32): usize {
  if (!align || (align & (align - 1)) || align > 65536 || <u64>size + align > 0x3FFF_0000) return 0;
  return (heap.alloc(size + align) + align - 1) & ~(<usize>align - 1);
}

export function lestats_v1_describe(): u64 { return pack(manifest.at, manifest.len); }

export function lestats_v1_open(at: usize, len: u32): u64 {
  let f = directory(at, len);
  if (!f) f = plugin.open(job);
  if (!f) return 0;
  f.code = ERR_DATASET;
  return fail(f, []);
}

function directory(at: usize, len: u32): Failure | null {
  if (len < 32 || load<u32>(at) < 32 || load<u32>(at) > len || load<u32>(at, 4) != 1) {
    return failed("the directory: it is too short, or not of version 1");
  }
  const columns = plugin.columns, size = load<u32>(at, 16);
  opened = false;
  if (load<u32>(at, 12) != <u32>columns.length || size < 64) return failed("the directory: its columns are not those that were asked for");
  for (let i = 0; i < columns.length; i++) {
    const c = columns[i], raw = load<u32>(at, 20) + i * size;
    if (load<u32>(raw, 8) != c.kind() || load<u32>(raw, 16) % 64 || load<u32>(raw, 24) % 64) {
      return failed("the directory: the column " + c.name + " does not have the requested type, or misaligned");
    }
    c.raw = heap.alloc(64);
    memory.copy(c.raw, raw, 64);
    c.data = load<u32>(raw, 16);
    c.valid = load<u32>(raw, 24);
  }
  opened = true;
  datasetRows = load<u32>(at, 8);
  job.ranges_ = zeros(8);
  store<u32>(job.ranges_, datasetRows, 4);
  job.rangeCount = datasetRows ? 1 : 0;
  job.selected = datasetRows;
  return null;
}

export function lestats_v1_answer(at: usize, len: u32): u64 {
  if (!opened || len < 48 || load<u32>(at) < 48 || load<u32>(at) > len || load<u32>(at, 4) != 1) {
    return fail(failed("the request: it is too short, not of version 1, or came before the dataset"), []);
  }
  if (load<u32>(at, 8) >= <u32>plugin.questions.length) return fail(failed("the request: there is no such question"), []);
  const q = plugin.questions[load<u32>(at, 8)], params = q.params;
  if (load<u32>(at, 12) != <u32>params.length) return fail(failed("the request: its parameters do not match those of the question"), []);
  for (let i = 0; i < params.length; i++) {
    const p = load<u32>(at, 20) + i * load<u32>(at, 16);
    if (load<u32>(p) != params[i].kind()) return fail(failed("the request: " + params[i].name + " is not of the kind that was declared"), []);
    params[i].asker = q;
    params[i].count = load<u32>(p, 8);
    params[i].given = load<u32>(p, 12);
  }
  job.rangeCount = load<u32>(at, 24);
  job.ranges_ = load<u32>(at, 28);
  job.selected = load<u32>(at, 32);
  const result = q.result, count = result.length;
  for (let i = 0; i < count; i++) {
    result.at(i).reset();
    result.at(i).asker = q;
  }
  question = q;

  const f = q.answer(job);
  if (f) return fail(f, params);

  const rows = result.at(0).length, out = zeros(64 + 64 * count);
  for (let i = 0; i < count; i++) {
    const c = result.at(i);
    if (c.length != rows) {
      return fail(failed("the result's column " + result.at(0).label() + " has " + rows.toString() + " rows, " + c.label() + " has " + c.length.toString() +
        "; for each row append to every column"), params);
    }
    c.place(out + 64 + 64 * i);
  }
  if (!rows) return fail(noData("no selected row has what the question needs"), params);
  store<u64>(out, 0x1_0000_0020); // size 32, version 1
  store<u32>(out, 1, 12);
  store<u32>(out, 32, 16);
  store<u32>(out, out + 32, 20);
  store<u32>(out, 1, 32);
  store<u32>(out, rows, 36);
  store<u32>(out, count, 40);
  store<u32>(out, 64, 44);
  store<u32>(out, out + 64, 48);
  return pack(out, 32);
}
