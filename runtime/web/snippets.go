package web

import (
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Snippet is a program of a few lines that gets an answer.
type Snippet struct {
	ID       string // "curl", "python", "r", "javascript", "duckdb"
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
		{"r", "R", "", "answer <- read.csv(\"" + at("csv") + "\")\nprint(answer)"},
		{"javascript", "JavaScript", "", "const response = await fetch(\"" + at("json") + "\");\nconst answer = await response.json();\nconsole.log(answer.data);"},
		{"duckdb", "DuckDB", "", "INSTALL httpfs; LOAD httpfs;\nFROM read_csv('" + at("csv") + "');"},
	}
	if !keyed {
		return plain
	}
	return []Snippet{
		{"curl", "Shell (curl)", "", "curl -sS --compressed -H \"X-Api-Key: $LESTATS_API_KEY\" '" + at("json") + "'"},
		{"python", "Python", "pandas", "import os\nimport pandas as pd\n\nanswer = pd.read_csv(\"" + at("csv") + "\", storage_options={\"X-Api-Key\": os.environ[\"LESTATS_API_KEY\"]})\nprint(answer)"},
		{"r", "R", "", "answer <- read.csv(url(\"" + at("csv") + "\", headers = c(\"X-Api-Key\" = Sys.getenv(\"LESTATS_API_KEY\"))))\nprint(answer)"},
		{"javascript", "JavaScript", "", "const response = await fetch(\"" + at("json") + "\", {headers: {\"X-Api-Key\": process.env.LESTATS_API_KEY}});\nconst answer = await response.json();\nconsole.log(answer.data);"},
		{"duckdb", "DuckDB", "DuckDB's command line, which alone has getenv", "INSTALL httpfs; LOAD httpfs;\nCREATE SECRET lestats (TYPE http, EXTRA_HTTP_HEADERS MAP {'X-Api-Key': getenv('LESTATS_API_KEY')});\nFROM read_csv('" + strings.ReplaceAll(at("csv"), "'", "''") + "');"},
	}
}
