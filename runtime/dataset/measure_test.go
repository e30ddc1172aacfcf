package dataset

import (
	"strings"
	"testing"
)

// An integer that no float holds is not averaged as another one.
func TestIntegerMeasureIsExact(t *testing.T) {
	const descriptor = "name: t\ntitle: t\nsort: club\nroles: {group: club, measure: points}\ncolumns:\n" +
		"  - {name: club, type: string, role: dimension}\n  - {name: points, type: integer, role: measure}\n"
	for value, good := range map[string]bool{
		"9007199254740992": true, "9007199254740993": false, "-9007199254740993": false,
		"4611686018427387904": true, "4611686018427387905": false, "9223372036854775807": false, "-9223372036854775808": true,
	} {
		d, err := ParseDescriptor([]byte(descriptor))
		if err != nil {
			t.Fatal(err)
		}
		_, err = ReadCSV(t.Context(), strings.NewReader("club,points\nA,1\nA,"+value+"\n"), d, nil)
		if good != (err == nil) || !good && !strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", value, err)
		}
	}
}
