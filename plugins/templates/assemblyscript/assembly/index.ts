// my_plugin is a plugin for Le Stats Sportifs: see README.md.
import {
  CodeResult, Failure, Job, NumberColumn, NumberParam, NumberResult, StringColumn, StringParam, serve,
} from "../sdk/index";
export { lestats_v1_alloc, lestats_v1_describe, lestats_v1_open, lestats_v1_answer } from "../sdk/index";

// The columns that it reads.
const question: StringColumn = { name: "question" };
const location: StringColumn = { name: "location" };
const value: NumberColumn = { name: "value" };

// Its parameters, and the columns of its result.
const survey: StringParam = { name: "question", title: "Survey question", column: question, required: true, select: true };
const least: NumberParam = { name: "least", title: "Least spread", min: 0, fallback: 0 };

const state: CodeResult = { column: location, title: "State" };
const spread: NumberResult = { name: "spread", title: "Highest minus lowest value", unitOf: value };

function answer(job: Job): Failure | null {
  const values = value.values(), locations = location.codes(), states = location.count();
  const low = new StaticArray<f64>(states).fill(Infinity), high = new StaticArray<f64>(states).fill(-Infinity);
  // The selected rows that have a value and a location. unchecked: codes are below states.
  for (const rows = job.rows([value, location]); rows.next(); ) {
    const v = values[rows.row], code = locations[rows.row];
    if (v < unchecked(low[code])) unchecked(low[code] = v);
    if (v > unchecked(high[code])) unchecked(high[code] = v);
  }
  const above = least.get();
  for (let code = 0; code < states; code++) {
    const distance = high[code] - low[code]; // -Infinity where there was no value
    if (distance < above) continue;
    state.append(code);
    spread.append(distance);
  }
  return null;
}

serve({
  name: "my_plugin", version: "1.0.0", columns: [question, location, value],
  questions: [{
    name: "my_plugin", title: "Spread of each state's values", params: [survey, least],
    result: { keys: [state], values: [spread], layout: "map", chart: "bar" }, answer,
    // What the server's pages, plugin check and plugin run ask with.
    example: '{"question": "Percent of adults aged 18 years and older who have obesity", "least": 24}',
  }],
});
