package sdk

import "github.com/le-stats-sportifs/lestats/plugins/abi"

// Error is why there is no answer. Failed, BadParam and NoData make one.
type Error struct {
	Code  uint32 // abi.ErrFailed, abi.ErrBadParam, abi.ErrNoData or abi.ErrDataset
	Param Param  // what it is about, or nil
	Text  string // for a person
}

// Failed says that the answer could not be computed.
func Failed(text string) *Error { return &Error{Code: abi.ErrFailed, Text: text} }

// BadParam says that the value of p makes no sense.
func BadParam(p Param, text string) *Error {
	return &Error{Code: abi.ErrBadParam, Param: p, Text: text}
}

// NoData says that no selected row has what the question needs.
func NoData(text string) *Error { return &Error{Code: abi.ErrNoData, Text: text} }

// Error is the text.
func (e *Error) Error() string { return e.Text }
