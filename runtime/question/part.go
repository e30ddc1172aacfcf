package question

import "strings"

// Part returns the value among known that text stands for: text itself, else the only
// one that differs in case, else the only one of which text is a part, whatever the
// case. Where it stands for none value is "", and candidates are those that it may
// stand for, in the order of known: several, or none.
func Part(text string, known []string) (value string, candidates []string) {
	if text == "" {
		return "", nil
	}
	low := strings.ToLower(text)
	var folded, parts []string
	for _, k := range known {
		switch {
		case k == text:
			return k, nil
		case strings.EqualFold(k, text):
			folded = append(folded, k)
		case strings.Contains(strings.ToLower(k), low):
			parts = append(parts, k)
		}
	}
	found := folded
	if len(found) == 0 {
		found = parts
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return "", found
}
