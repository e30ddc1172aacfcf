package guess

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Words in the names of columns, by what they suggest.
var (
	measureWords   = []string{"value", "measure", "amount", "score", "rate", "share", "percent", "percentage", "pct", "mean", "average", "avg", "total", "price", "sales", "revenue", "result", "count", "cost", "charge", "income", "salary", "wage", "profit", "yield", "close", "wert", "valeur", "valor", "anzahl", "nombre", "montant"}
	groupWords     = []string{"location", "state", "country", "region", "province", "county", "city", "place", "school", "club", "team", "store", "shop", "station", "site", "branch", "company", "customer", "group", "entity", "ecole", "pays", "ville", "commune", "departement", "land", "bundesland", "kreis", "gemeinde", "estado", "municipio", "comune", "provincia", "regione", "area", "district", "geography", "territory", "lga", "ward", "borough"}
	indicatorWords = []string{"question", "indicator", "metric", "variable", "series"}
	categoryWords  = []string{"category", "stratification_category", "breakdown"}
	stratumWords   = []string{"stratum", "stratification", "subgroup"}

	idWords         = []string{"id", "ids", "uid", "uuid", "guid", "key", "code", "cod", "codigo", "codice", "fips", "geoid", "zip", "zipcode", "postcode", "postal", "plz", "iso", "iso2", "iso3", "isin", "cik", "cusip", "npi", "ein", "ssn", "sku", "isbn", "phone", "telephone", "no", "nr", "num", "number", "index", "idx", "rownames", "row", "unnamed", "serial", "sl", "sno", "objectid", "oid", "fid", "gid", "insee", "siren", "siret", "ags", "abbr", "abb", "abbrev", "abbreviation", "url", "link", "href", "md5", "sha1", "sha256", "hash", "email", "usubjid"}
	timeWords       = []string{"date", "time", "datetime", "timestamp", "ts", "period", "year", "yr", "month", "mon", "day", "weekday", "week", "quarter", "qtr", "hour", "jahr", "monat", "datum", "annee", "mois", "jour", "ano", "mes", "dia", "anno", "decade", "season", "born", "founded", "established", "yyyy"}
	yearWords       = []string{"year", "yr", "jahr", "annee", "ano", "anno"}
	coordinates     = []string{"lat", "latitude", "lon", "lng", "long", "longitude", "geom", "geometry", "wkt", "coordinate", "geopoint", "geolocation"}
	gridCoordinates = []string{"easting", "northing"}
	// Words for what accompanies a figure.
	companions = []string{"low", "high", "lower", "upper", "limit", "ci", "lcl", "ucl", "lci", "uci", "se", "sd", "std", "stderr", "stdev", "error", "moe", "margin", "uncertainty", "size", "n", "rank", "ranking", "position", "age", "grade", "version", "seed", "order", "wave", "round", "class", "cluster", "fold", "level"}
	// Words for whole numbers that are labels of groups.
	labelWords = []string{"class", "type", "group", "category", "target", "label", "outcome", "species", "cluster", "treatment", "arm", "sex", "gender", "level", "grade", "age", "stage", "cohort", "wave", "round"}
	// Words for whole numbers that identify who or what was observed.
	unitWords = []string{"subject", "patient", "respondent", "case", "obs", "observation"}
	// English words that end as names of ids do.
	notIDs = []string{"paid", "bid", "covid", "grid", "acid", "solid", "humid", "fluid", "hybrid", "mid", "aid", "raid", "said", "void", "kid", "rapid", "valid", "steroid", "thyroid", "lipid", "avoid"}
)

// kind is what the values of a column are.
type kind int

const (
	isFigure     kind = iota // may be averaged, or compared if it is text
	isRowNumber              // 1, 2, 3, ...
	isCode                   // identifies a row or a thing
	isTime                   // a date or a part of one
	isCoordinate             // of a place
	isConstant               // has one value
)

// what describes a kind in a sentence about a column.
func (k kind) what() string {
	switch k {
	case isRowNumber:
		return "row numbers"
	case isCode:
		return "ids or codes"
	case isTime:
		return "times"
	case isCoordinate:
		return "coordinates"
	case isConstant:
		return "one value only"
	default:
		return "figures"
	}
}

// words splits the column's name.
func (p *profile) words() []string {
	return strings.FieldsFunc(p.nameText, func(r rune) bool { return r == '_' })
}

// wordScore returns 0 if the name has none of the words, and more the earlier the word
// is in the list. What follows "of" or "per" does not count: a head of state is no state.
func (p *profile) wordScore(words []string) int {
	parts := p.words()
	if i := slices.IndexFunc(parts, func(w string) bool { return w == "of" || w == "per" }); i > 0 {
		parts = parts[:i]
	}
	for i, w := range words {
		if strings.Contains(w, "_") && strings.HasPrefix(p.nameText, w) || slices.ContainsFunc(parts, func(part string) bool { return isWord(part, w) || part == w+"s" }) {
			return len(words) - i
		}
	}
	return 0
}

// isWord reports whether part is w, digits at its end aside: stratum1.
func isWord(part, w string) bool {
	return part == w || strings.TrimRight(part, "0123456789") == w
}

// isNamed reports whether the first or last word of the name is one of words: year, and
// election_year, but not sales_per_year.
func (p *profile) isNamed(words []string) bool {
	parts := p.words()
	n := len(parts)
	if n == 0 || slices.Contains(parts, "per") || slices.Contains(parts, "of") && !slices.Contains(words, parts[0]) {
		return false
	}
	return slices.ContainsFunc(words, func(w string) bool { return isWord(parts[0], w) || isWord(parts[n-1], w) })
}

// present returns how many rows have a value.
func (p *profile) present() int { return p.rows - p.missing }

// allDiffer reports whether no value occurs twice.
func (p *profile) allDiffer() bool {
	return p.present() > 1 && (len(p.distinct) >= p.present() || len(p.distinct) == maxDistinct)
}

// minSequence is from how many rows on whole numbers in sequence count the rows; fewer may
// be figures.
const minSequence = 10

var isDate = regexp.MustCompile(`^(\d{4}([-/.]?\d{1,2}){1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( .*)?|\d{4}-?[QWM]\d{1,2}|[QWM]\d{1,2}[- ]\d{4}|\d{4}[-/]\d{2,4}|(?i:(\d{1,2}[- ])?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[- ,]+(\d{1,2},? )?\d{2,4})|\d{1,2}:\d{2}(:\d{2})?)$`)

// isPoint matches two coordinates.
var isPoint = regexp.MustCompile(`^(POINT ?)?\(?-?\d{1,3}\.\d+,? +-?\d{1,3}\.\d+\)?$`)

// kindOf decides what the values of the column are, by name and values.
func (p *profile) kindOf() kind {
	numeric := p.Type != question.String
	whole := p.Type == question.Integer
	named := p.wordScore(measureWords) > 0
	switch {
	case len(p.distinct) == 1 && p.present() > 1 && (!numeric || !named):
		return isConstant
	case whole && !p.outOfStep && p.present() == p.rows && (p.min == 0 || p.min == 1) && !named &&
		(p.rows >= minSequence || p.isNamed(idWords) || p.header == "X"):
		return isRowNumber
	case p.isNamed(coordinates) && (!numeric || p.min >= -360 && p.max <= 360), p.isNamed(gridCoordinates):
		return isCoordinate
	case !numeric && isPoint.MatchString(p.firstText):
		return isCoordinate
	case numeric && p.isTimePart():
		return isTime
	case !numeric && (p.isNamed(timeWords) || isDate.MatchString(p.firstText)):
		return isTime
	case named && numeric:
		return isFigure
	case whole && (p.isNamed(unitWords) || p.isNamed(idWords) && !p.isCount() || strings.HasSuffix(p.header, "#") || p.endsLikeID() || p.looksLikeCodes()):
		return isCode
	case !numeric && (p.leadingZeros || p.isNamed(idWords) || strings.HasPrefix(p.firstText, "http") || p.looksLikeHash()):
		return isCode
	default:
		return isFigure
	}
}

// isCount reports whether a name such as num_polls or number_of_seats counts something.
func (p *profile) isCount() bool {
	parts := p.words()
	return len(parts) > 1 && (parts[0] == "num" || parts[0] == "number" || parts[0] == "no" || parts[0] == "nr")
}

// isTimePart reports whether whole numbers are years, months, days and the like, by name
// and range.
func (p *profile) isTimePart() bool {
	switch {
	case p.Type != question.Integer:
		return false
	case p.isNamed(yearWords):
		return true
	case !p.isNamed(timeWords):
		return p.isYear() && p.wordScore(measureWords) == 0 && len(p.distinct) <= 300 && p.max <= 2100
	default: // also 202012 and 20201231
		return p.min >= 0 && p.max <= 366 || p.isYear() || p.min >= 15000101 && p.max <= 22001231 || p.min >= 150001 && p.max <= 220012
	}
}

// endsLikeID reports whether the name ends as customerid does.
func (p *profile) endsLikeID() bool {
	parts := p.words()
	return p.rows >= minSequence && len(parts) > 0 && strings.HasSuffix(p.nameText, "id") && !slices.Contains(notIDs, parts[len(parts)-1])
}

// looksLikeCodes reports whether whole numbers of three digits or more all differ, have the
// same number of digits, and fill a tenth of their range, as codes do.
func (p *profile) looksLikeCodes() bool {
	return p.allDiffer() && p.rows >= minSequence && p.min >= 100 && float64(p.present())*10 >= p.max-p.min &&
		len(strconv.FormatFloat(p.min, 'f', 0, 64)) == len(strconv.FormatFloat(p.max, 'f', 0, 64))
}

// booleans are texts that mean yes, no or neither, in lower case.
var booleans = []string{"yes", "no", "true", "false", "t", "f", "y", "n", "oui", "non", "ja", "nein", "unknown", "maybe", "na", "n/a"}

// isBoolean reports whether the texts are yes and no.
func (p *profile) isBoolean() bool {
	for text := range p.kinds {
		if !slices.Contains(booleans, strings.ToLower(text)) {
			return false
		}
	}
	return len(p.kinds) > 0 && len(p.kinds) < maxKinds
}

// looksLikeHash reports whether the column has long texts without a space that all differ.
func (p *profile) looksLikeHash() bool {
	return p.allDiffer() && len(p.firstText) >= 16 && strings.Trim(strings.ToLower(p.firstText), "0123456789abcdef-") == ""
}

// isProse reports whether the texts are sentences, not names.
func (p *profile) isProse() bool { return p.texts > 0 && p.textBytes > 60*p.texts }

// headerTime reports whether the header is a point in time, and its year if it is that.
func (p *profile) headerTime() (year string, ok bool) {
	h := strings.TrimPrefix(p.header, "X") // R puts it before numbers
	if first, rest, found := strings.Cut(h, " "); found && strings.HasPrefix(rest, "[YR") {
		h = first // the World Bank's: 2019 [YR2019]
	}
	if literal.IsYear(h) {
		return h, true
	}
	return "", len(h) >= 6 && isDate.MatchString(h)
}

func (p *profile) isHeaderTime() bool {
	_, ok := p.headerTime()
	return ok
}
