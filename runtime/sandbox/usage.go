package sandbox

// Memory returns the bytes of the memory budget that loaded plugins and running jobs hold,
// and the whole budget.
func (e *Engine) Memory() (used, budget uint64) {
	used, _ = e.budget.state()
	return used, e.budget.total
}
