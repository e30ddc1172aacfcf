// The mean of each location: see ../README.md.
import { CodeResult, Failure, Job, NumberColumn, NumberResult, StringColumn, StringParam, serve } from "../../assemblyscript/assembly/index";
export { lestats_v1_alloc, lestats_v1_describe, lestats_v1_open, lestats_v1_answer } from "../../assemblyscript/assembly/index";

const question: StringColumn = { name: "question" };
const location: StringColumn = { name: "location" };
const value: NumberColumn = { name: "value" };
const survey: StringParam = { name: "question", column: question, required: true, select: true };
const state: CodeResult = { column: location };
const mean: NumberResult = { name: "mean", unitOf: value };

function means(job: Job): Failure | null {
  const values = value.values(), locations = location.codes(), states = location.count();
  const sums = new StaticArray<f64>(states), counts = new StaticArray<i32>(states);
  // unchecked: codes are below the dictionary's size.
  for (const rows = job.rows([value, location]); rows.next(); ) {
    const code = locations[rows.row];
    unchecked(sums[code] += values[rows.row]);
    unchecked(counts[code]++);
  }
  for (let code = 0; code < states; code++) {
    if (!counts[code]) continue;
    state.append(code);
    mean.append(sums[code] / counts[code]);
  }
  return null;
}

serve({
  name: "means_assemblyscript", version: "1.0.0", columns: [question, location, value],
  questions: [{
    name: "means_assemblyscript", title: "Mean of each state", params: [survey],
    result: { keys: [state], values: [mean], layout: "map", chart: "none" }, answer: means,
  }],
});
