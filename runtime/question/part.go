package question

import "strings"

// Part returns the value of known that text abbreviates: text itself, else the only value
// equal to it ignoring case, else the only value that contains it ignoring case. If there
// is no single match, value is "" and candidates holds the possible matches, if any, in
// the order of known.
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

// Listed returns the values that text lists with commas between them, each as find returns
// it; nil if it lists fewer than two or more than 64 of them, or one that find returns ""
// for.
func Listed(text string, find func(string) string) []string {
	const most = 64
	if n := strings.Count(text, ","); n == 0 || n >= most {
		return nil
	}
	var values []string
	for part := range strings.SplitSeq(text, ",") {
		value := find(strings.TrimSpace(part))
		if value == "" {
			return nil
		}
		values = append(values, value)
	}
	return values
}
