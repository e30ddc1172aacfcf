// A client of the API, with types that openapi-typescript makes from /openapi.json. The
// compiler has to find each mistake that is marked as an expected error. It is run as:
// node client.js URL [KEY]
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

declare const process: { argv: string[] };
const [baseUrl, key] = process.argv.slice(2);
const client = createClient<paths, "application/json">({ baseUrl, headers: key ? { "X-Api-Key": key } : {} });
const question = "Percent of adults aged 18 years and older who have obesity";

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

// An answer, in rows with typed columns.
const years = await client.GET("/api/by_year", { params: { query: { question, state: "Ohio" } } });
check(years.data !== undefined, JSON.stringify(years.error));
const estimates: (number | null)[] = years.data.data.map((row) => row.estimate);
check(estimates.length > 1 && estimates.every((e) => e !== null && e > 0), `by_year: ${estimates}`);
// @ts-expect-error: the result has no such column
void years.data.data[0]?.median;

// A job that is waited for, and its result once more.
const asked = await client.POST("/api/state_mean", { params: { query: { wait: 10 } }, body: { question, state: "Ohio", where: { year: 2020 } } });
check(asked.data !== undefined && asked.data.status === "done" && asked.data.job_id !== undefined, JSON.stringify(asked));
const result = await client.GET("/api/get_results/{id}", { params: { path: { id: asked.data.job_id } } });
check(JSON.stringify(result.data) === JSON.stringify(asked.data), `get_results: ${JSON.stringify(result)}`);

// Mistakes, which the compiler finds before the server does.
// @ts-expect-error: state is required
await client.GET("/api/by_year", { params: { query: { question } } });
// @ts-expect-error: there is no such question
await client.GET("/api/by_decade", { params: { query: { question, state: "Ohio" } } });
// @ts-expect-error: there is no such state
const wrong = await client.GET("/api/by_year", { params: { query: { question, state: "Utha" } } });
check(wrong.error !== undefined && wrong.error.code === "unknown_value" && wrong.error.hint[0] === "Utah", JSON.stringify(wrong.error));
console.log(`${estimates.length} years, ${JSON.stringify(asked.data.data)}`);
