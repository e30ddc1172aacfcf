package httpapi

// OncePattern is the pattern of Idempotency-Key in OpenAPI.
const OncePattern = oncePattern

// Routes lists the routes, such as "GET /healthz", without HEAD.
func Routes() (out []string) {
	for _, r := range (&api{}).table() {
		out = append(out, r.Method+" "+r.Path)
	}
	return out
}
