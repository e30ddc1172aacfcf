// The plugins of plugins/abi/testdata: example, or kinds once useKinds is called.
import {
  BooleanParam, ChoiceParam, CodeResult, Failure, IntegerColumn, IntegerParam, IntegerResult, Job, Level, NumberColumn, NumberParam,
  NumberResult, Plugin, StringColumn, StringParam, StringResult, badParam, failed, noData, serve,
} from "../assembly/index";
export { lestats_v1_alloc, lestats_v1_describe, lestats_v1_open, lestats_v1_answer } from "../assembly/index";

const location: StringColumn = { name: "location" };
const value: NumberColumn = { name: "value" };
const state: StringParam = { name: "state", title: "State", column: location, required: true };
const key: CodeResult = { column: location, title: "State" };
const mean: NumberResult = { name: "mean", unitOf: value };

const example: Plugin = {
  name: "example", version: "1.0.0", title: "Example", license: "Apache-2.0", columns: [location, value],
  questions: [{
    name: "state_mean", title: "Mean of one state", params: [state],
    result: { keys: [key], values: [mean], layout: "map", chart: "bar" },
    answer: (job: Job): Failure | null => {
      const code = state.get(), values = value.values();
      let sum: f64 = 0, n = 0;
      for (const rows = job.rows([value, location.is(code)]); rows.next(); n++) sum += values[rows.row];
      if (!n) return noData("no value for " + location.text(code), state);
      key.append(code);
      mean.append(sum / n);
      return null;
    },
  }],
};

const city: StringColumn = { name: "city" };
const score: NumberColumn = { name: "score" };
const year: IntegerColumn = { name: "year", optional: true };
const remark: StringColumn = { name: "remark", optional: true }; // which the dataset does not have
const cityParam: StringParam = { name: "city", title: "City", description: "Some.", column: city, required: true, list: true };
const least: NumberParam = { name: "least", min: 0.5, max: 99.5, fallback: 10.5 };
const yearParam: IntegerParam = { name: "year", min: -5, max: 9 };
const mode: ChoiceParam = { name: "mode", choices: ["plain", "loud"], fallback: "plain" };
const exact: BooleanParam = { name: "exact", fallback: 0 };
const scoreParam: NumberParam = { name: "score", column: score, select: true };
const cityResult: CodeResult = { column: city };
const note: StringResult = { name: "note", title: "Note" };
const scoreResult: NumberResult = { name: "score", unitOf: score, shows: "mean" };
const n: IntegerResult = { name: "n", unit: "rows", shows: "count" };

const kinds: Plugin = {
  name: "kinds", version: "1.0.0", description: 'Every kind: "quoted" \\ \t.', homepage: "about:blank", columns: [city, score, year, remark],
  questions: [
    { name: "first", result: { values: [n], layout: "record" }, needs: [year, remark] },
    {
      name: "echo", title: "Echo", description: "Says what it was given.",
      params: [cityParam, least, yearParam, mode, exact, scoreParam],
      result: { keys: [cityResult, note], values: [scoreResult, n], layout: "rows", chart: "none" },
      needs: [year], example: '{"city":["Oslo"],"where":{"year":{"min":-5}}}',
      answer: (job: Job): Failure | null => {
        if (yearParam.length) return badParam(yearParam, "the year " + yearParam.get().toString() + " is not to be given");
        if (!exact.get()) return failed("exact is false");
        if (scoreParam.get() != 7.25 || score.unit() != "%" || year.missing() != 4) return failed("the score's, its unit or the missing years");
        if (city.code("Chur") != 1 || city.code("Chu") != -1 || city.code("Zürich") != 2) return failed("the codes");
        if (job.selected != 19 || job.rangeCount != 3 || job.range(1).start != 20) return failed("the ranges");
        if (remark.code("none") != -1 || remark.count() || remark.missing() != 70 || job.rows([remark]).next()) return failed("the remarks");
        job.log(Level.Warn, "careful");
        job.progress(3, 7);
        const bound = least.get(), ending = mode.get() == 1 ? "!" : "";
        for (let i = 0; i < cityParam.length; i++) {
          const code = cityParam.at(i);
          for (const rows = job.rows([score, year, city.is(code)]); rows.next(); ) {
            const v = score.values()[rows.row];
            cityResult.append(code);
            if (v < bound) note.appendMissing();
            else note.append(city.text(code) + ending);
            scoreResult.append(v);
            n.extend(1)[0] = year.values()[rows.row];
          }
        }
        cityResult.appendMissing();
        note.appendMissing();
        scoreResult.appendMissing();
        n.appendMissing();
        return null;
      },
    },
  ],
};

serve(example);
export function useKinds(): void { serve(kinds); }
