// mistakes has a question for each mistake that newcomers make.
import {
  CodeResult, Failure, IntegerColumn, IntegerResult, Job, NumberColumn, NumberParam, NumberResult, Question, StringColumn, serve,
} from "../sdk/index";
export { lestats_v1_alloc, lestats_v1_describe, lestats_v1_open, lestats_v1_answer } from "../sdk/index";

const location: StringColumn = { name: "location" };
const value: NumberColumn = { name: "value" };
const year: IntegerColumn = { name: "year" }; // not listed in columns

const least: NumberParam = { name: "least", min: 0 }; // not listed in params

const state: CodeResult = { column: location };
const mean: NumberResult = { name: "mean" };
const count: IntegerResult = { name: "count" }; // not listed in result

function row(code: i32, v: f64): Failure | null {
  state.append(code);
  mean.append(v);
  return null;
}

function mistake(name: string, answer: (job: Job) => Failure | null, layout: string = "rows"): Question {
  return { name, answer, result: { keys: [state], values: [mean], layout } };
}

serve({
  name: "mistakes", version: "1.0.0", columns: [location, value],
  questions: [
    mistake("forgot_column", (job: Job): Failure | null => row(0, <f64>year.values()[0])),
    mistake("forgot_present", (job: Job): Failure | null => row(0, job.rows([year]).next() ? 1 : 0)),
    mistake("forgot_parameter", (job: Job): Failure | null => row(0, least.get(0))),
    mistake("forgot_result", (job: Job): Failure | null => { row(0, 1); count.append(1); return null; }),
    mistake("uneven", (job: Job): Failure | null => { row(0, 1); mean.append(1); return null; }),
    mistake("nan", (job: Job): Failure | null => row(0, NaN)),
    mistake("duplicate_key", (job: Job): Failure | null => { row(0, 1); return row(0, 2); }, "map"),
    mistake("panics", (job: Job): Failure | null => { if (job.selected < 1 << 30) throw new Error("too few rows"); return row(0, 1); }),
    mistake("endless", (job: Job): Failure | null => { let n = 0; while (job.selected != 0xffffffff) n++; return row(0, n); }),
    mistake("huge", (job: Job): Failure | null => { for (let i = 0; i < 1 << 20; i++) new StaticArray<u8>(1 << 20); return row(0, 1); }),
  ],
});
