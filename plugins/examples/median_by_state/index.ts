// median_by_state answers the median of each state's values: unlike the mean, it is not
// affected by a single outlying group.
import {
  CodeResult, Failure, IntegerResult, Job, NumberColumn, NumberResult, StringColumn, StringParam, serve,
} from "../../sdk/assemblyscript/assembly/index";
export { lestats_v1_alloc, lestats_v1_describe, lestats_v1_open, lestats_v1_answer } from "../../sdk/assemblyscript/assembly/index";

const question: StringColumn = { name: "question" };
const location: StringColumn = { name: "location" };
const value: NumberColumn = { name: "value" };

const survey: StringParam = { name: "question", title: "Survey question", column: question, required: true, select: true };

const state: CodeResult = { column: location, title: "State" };
const median: NumberResult = { name: "median", title: "Median", unitOf: value };
const rows: IntegerResult = { name: "rows", title: "Values", unit: "rows" };

function answer(job: Job): Failure | null {
  // Two passes: how many values each state has, then each state's values together.
  const values = value.values(), locations = location.codes(), states = location.count();
  const ends = new StaticArray<i32>(states);
  let all = 0;
  for (const r = job.rows([value, location]); r.next(); all++) ends[locations[r.row]]++;
  for (let code = 1; code < states; code++) ends[code] += ends[code - 1];
  const groups = new Float64Array(all), next = new StaticArray<i32>(states);
  for (let code = 1; code < states; code++) next[code] = ends[code - 1];
  for (const r = job.rows([value, location]); r.next(); ) groups[next[locations[r.row]]++] = values[r.row];

  for (let code = 0, start = 0; code < states; code++) {
    const n = ends[code] - start;
    if (n) {
      const group = groups.subarray(start, ends[code]).sort(), middle = n >> 1;
      state.append(code);
      median.append(n & 1 ? group[middle] : (group[middle - 1] + group[middle]) / 2);
      rows.append(n);
    }
    start = ends[code];
  }
  return null;
}

serve({
  name: "median_by_state", version: "1.0.0", title: "Median by state", license: "Apache-2.0", columns: [question, location, value],
  questions: [{
    name: "median_by_state", title: "Median of each state", description: "The middle one of a state's values; of an even number, the mean of the two in the middle.",
    params: [survey], result: { keys: [state], values: [median, rows], layout: "map", chart: "map" },
    example: '{"question": "Percent of adults aged 18 years and older who have obesity"}', answer,
  }],
});
