// A plugin of which a test may leave out every column but one.
import { Failure, IntegerColumn, IntegerResult, Job, NumberColumn, StringColumn, serve } from "../assembly/index";
export { lestats_v1_alloc, lestats_v1_describe, lestats_v1_open, lestats_v1_answer } from "../assembly/index";

const city: StringColumn = { name: "city" };
const score: NumberColumn = { name: "score", optional: true };
const year: IntegerColumn = { name: "year", optional: true };
const remark: StringColumn = { name: "remark", optional: true };
const n: IntegerResult = { name: "n" };

serve({
  name: "optional", version: "1.0.0", columns: [city, score, year, remark],
  questions: [{
    name: "counts", result: { values: [n] },
    answer: (job: Job): Failure | null => {
      n.append(score.missing());
      n.append(year.missing());
      n.append(remark.missing());
      n.append(remark.count());
      let rows = 0;
      for (const some = job.rows([city]); some.next(); ) rows++;
      n.append(rows);
      return null;
    },
  }],
});
