// geometric uses AssemblyScript's own Math: the geometric mean of each state.
import { CodeResult, Failure, Job, NumberColumn, NumberResult, StringColumn, serve } from "../sdk/index";
export { lestats_v1_alloc, lestats_v1_describe, lestats_v1_open, lestats_v1_answer } from "../sdk/index";

const location: StringColumn = { name: "location" };
const value: NumberColumn = { name: "value" };
const state: CodeResult = { column: location };
const mean: NumberResult = { name: "mean", unitOf: value };

function answer(job: Job): Failure | null {
  const values = value.values(), codes = location.codes(), states = location.count();
  const logs = new StaticArray<f64>(states), counts = new StaticArray<i32>(states);
  for (const rows = job.rows([value, location]); rows.next(); ) {
    if (values[rows.row] <= 0) continue;
    logs[codes[rows.row]] += Math.log(values[rows.row]);
    counts[codes[rows.row]]++;
  }
  for (let code = 0; code < states; code++) {
    if (!counts[code]) continue;
    state.append(code);
    mean.append(Math.exp(logs[code] / counts[code]));
  }
  return null;
}

serve({
  name: "library", version: "1.0.0", columns: [location, value],
  questions: [{ name: "library", result: { keys: [state], values: [mean], layout: "map" }, answer }],
});
