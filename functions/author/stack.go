package author

import (
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// in says in which functions of the plugin an error happened, innermost first, in words to
// add to a message; "" if it did not happen in a plugin's code.
func in(err error) string {
	functions := sandbox.StackOf(err)
	if len(functions) == 0 {
		return ""
	}
	return "; in " + strings.Join(functions, " < ")
}
