// A k6 script: each client submits a question, polls until the answer is there,
// and begins again. It prints jobs a second, and the time from submitting a job
// to holding its answer. Run it with infra/load/run (make load).
//
//   BASE      the server; loopback only (http://127.0.0.1:8080)
//   CLIENTS   clients at once (8)
//   DURATION  how long, in seconds (10)
//   QUESTION  which of the questions (states_mean)
import http from "k6/http";
import { check, fail, sleep } from "k6";
import { Counter, Trend } from "k6/metrics";

const base = __ENV.BASE || "http://127.0.0.1:8080";
const clients = Number(__ENV.CLIENTS || 8);
const seconds = Number(__ENV.DURATION || 10);
const name = __ENV.QUESTION || "states_mean";

if (!/^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(base)) {
  throw new Error(`BASE is ${base}; load goes to this machine only`);
}

export const options = {
  scenarios: { ask: { executor: "constant-vus", vus: clients, duration: `${seconds}s`, gracefulStop: "5s" } },
  summaryTrendStats: ["med", "p(99)", "max"],
  thresholds: { checks: ["rate==1"] },
};

const jobs = new Counter("jobs");
const took = new Trend("submit_to_answer", true);
const json = { headers: { "Content-Type": "application/json" }, tags: { name: "submit" } };

// setup asks the server itself for a request that can be answered.
export function setup() {
  const offer = http.get(`${base}/api/questions`).json("data").find((o) => o.question.name === name);
  if (!offer) fail(`the server has no question ${name}`);
  return JSON.stringify({ ...offer.example.params, ...(offer.example.where ? { where: offer.example.where } : {}) });
}

export default function (body) {
  const start = Date.now();
  const submitted = http.post(`${base}/api/${name}`, body, json);
  if (!check(submitted, { accepted: (r) => r.status === 202 })) {
    sleep(0.05);
    return;
  }
  const url = `${base}/api/get_results/${submitted.json("job_id")}`;
  for (let polls = 0; polls < 200; polls++) {
    const got = http.get(url, { tags: { name: "poll" } });
    if (got.json("status") !== "running") {
      check(got, { answered: (r) => r.json("status") === "done" });
      jobs.add(1);
      took.add(Date.now() - start);
      return;
    }
    sleep(0.002);
  }
  fail(`${url} was still running after 200 polls`);
}

export function handleSummary(data) {
  const m = data.metrics;
  const t = m.submit_to_answer ? m.submit_to_answer.values : { med: NaN, "p(99)": NaN };
  const rate = m.jobs ? m.jobs.values.rate : 0;
  const ok = m.checks ? m.checks.values.rate : 0;
  return {
    stdout: `${name}, ${clients} clients, ${seconds} s: ${rate.toFixed(0)} jobs/s, ` +
      `p50 ${t.med.toFixed(1)} ms, p99 ${t["p(99)"].toFixed(1)} ms, ${(100 * ok).toFixed(2)} % of checks held\n`,
  };
}
