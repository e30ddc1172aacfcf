package web

import (
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Snippet is a program of a few lines that gets an answer.
type Snippet struct {
	ID       string // "curl", "python", "requests", "polars", "r", "httr2", "javascript", "duckdb"
	Language string // for people
	Needs    string // what has to be installed; "" if nothing
	Code     string // complete: it works when it is pasted, with the key in LESTATS_API_KEY if there is one
}

// Snippets returns programs that get the answer to a canonical request from the service at
// base, such as https://example.org/stats. keyed says that it needs a key.
func Snippets(base string, req question.Request, keyed bool) []Snippet {
	// A canonical query has only letters, digits and -_.~%+&=, and a base only what a URL has:
	// nothing ends a string of any of these languages.
	at := func(extension string) string {
		u := base + "/api/" + req.Question + "." + extension
		if query := req.Query(); query != "" {
			u += "?" + query
		}
		return u
	}
	plain := []Snippet{
		{"curl", "Shell (curl)", "", "curl -sS --compressed '" + at("json") + "'"},
		{"python", "Python", "pandas", "import pandas as pd\n\nanswer = pd.read_csv(\"" + at("csv") + "\")\nprint(answer)"},
		{"requests", "Python, as JSON", "requests", "import requests\n\nresponse = requests.get(\"" + at("json") + "\", timeout=60)\nresponse.raise_for_status()\nanswer = response.json()[\"data\"]\nprint(answer)"},
		{"polars", "Python (Polars)", "polars", "import polars as pl\nfrom urllib.request import urlopen\n\nanswer = pl.read_csv(urlopen(\"" + at("csv") + "\").read(), infer_schema_length=None)\nprint(answer)"},
		{"r", "R", "", "answer <- read.csv(\"" + at("csv") + "\")\nprint(answer)"},
		{"httr2", "R, as JSON", "httr2 and jsonlite", "library(httr2)\n\nresponse <- request(\"" + at("json") + "\") |> req_perform()\nanswer <- resp_body_json(response, simplifyVector = TRUE)$data\nprint(answer)"},
		{"javascript", "JavaScript", "", "const response = await fetch(\"" + at("json") + "\");\nconst answer = await response.json();\nconsole.log(answer.data);"},
		{"duckdb", "DuckDB", "", "INSTALL httpfs; LOAD httpfs;\nFROM read_csv('" + at("csv") + "');"},
	}
	if !keyed {
		return plain
	}
	return []Snippet{
		{"curl", "Shell (curl)", "", "curl -sS --compressed -H \"X-Api-Key: $LESTATS_API_KEY\" '" + at("json") + "'"},
		{"python", "Python", "pandas", "import os\nimport pandas as pd\n\nanswer = pd.read_csv(\"" + at("csv") + "\", storage_options={\"X-Api-Key\": os.environ[\"LESTATS_API_KEY\"]})\nprint(answer)"},
		{"requests", "Python, as JSON", "requests", "import os\nimport requests\n\nresponse = requests.get(\"" + at("json") + "\", headers={\"X-Api-Key\": os.environ[\"LESTATS_API_KEY\"]}, timeout=60)\nresponse.raise_for_status()\nanswer = response.json()[\"data\"]\nprint(answer)"},
		{"polars", "Python (Polars)", "polars", "import os\nimport polars as pl\nfrom urllib.request import Request, urlopen\n\nrequest = Request(\"" + at("csv") + "\", headers={\"X-Api-Key\": os.environ[\"LESTATS_API_KEY\"]})\nanswer = pl.read_csv(urlopen(request).read(), infer_schema_length=None)\nprint(answer)"},
		{"r", "R", "", "answer <- read.csv(url(\"" + at("csv") + "\", headers = c(\"X-Api-Key\" = Sys.getenv(\"LESTATS_API_KEY\"))))\nprint(answer)"},
		{"httr2", "R, as JSON", "httr2 and jsonlite", "library(httr2)\n\nresponse <- request(\"" + at("json") + "\") |> req_headers(\"X-Api-Key\" = Sys.getenv(\"LESTATS_API_KEY\")) |> req_perform()\nanswer <- resp_body_json(response, simplifyVector = TRUE)$data\nprint(answer)"},
		{"javascript", "JavaScript", "", "const response = await fetch(\"" + at("json") + "\", {headers: {\"X-Api-Key\": process.env.LESTATS_API_KEY}});\nconst answer = await response.json();\nconsole.log(answer.data);"},
		{"duckdb", "DuckDB", "DuckDB's command line, which alone has getenv", "INSTALL httpfs; LOAD httpfs;\nCREATE SECRET lestats (TYPE http, EXTRA_HTTP_HEADERS MAP {'X-Api-Key': getenv('LESTATS_API_KEY')});\nFROM read_csv('" + strings.ReplaceAll(at("csv"), "'", "''") + "');"},
	}
}
