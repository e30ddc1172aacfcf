package chart

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// A palette is the colours of a theme, by the names of the classes. The five classes c0 to
// c4 are one hue whose lightness changes in steps that differ in grey, too.
type palette map[string]paint

type paint struct{ fill, stroke string }

var light = palette{
	"bg":     {fill: "#ffffff"},
	"fg":     {fill: "#1b1f24"},
	"mute":   {fill: "#57606a"},
	"warn":   {fill: "#a4262c"},
	"pill":   {fill: "none", stroke: "#a4262c"},
	"grid":   {stroke: "#dfe3e8"},
	"axis":   {stroke: "#8a94a0"},
	"mark":   {fill: "#1f5fa8"},
	"whole":  {fill: "#b3500b"},
	"wholel": {stroke: "#b3500b"},
	"whisk":  {stroke: "#5b8ec6"},
	"cap":    {stroke: "#1b1f24"},
	"line":   {fill: "none", stroke: "#1f5fa8"},
	"band":   {fill: "#cfe0f3"},
	"c0":     {fill: "#e4eef8", stroke: "#71839a"},
	"c1":     {fill: "#abcbea", stroke: "#71839a"},
	"c2":     {fill: "#75a9da", stroke: "#71839a"},
	"c3":     {fill: "#3877bb", stroke: "#dbe3ec"},
	"c4":     {fill: "#153f78", stroke: "#dbe3ec"},
	"none":   {fill: "none", stroke: "#71839a"},
	"hatch":  {fill: "none", stroke: "#71839a"},
}

var dark = palette{
	"bg":     {fill: "#12161c"},
	"fg":     {fill: "#e8ecf1"},
	"mute":   {fill: "#a3adb9"},
	"warn":   {fill: "#ff9a8f"},
	"pill":   {fill: "none", stroke: "#ff9a8f"},
	"grid":   {stroke: "#2b323b"},
	"axis":   {stroke: "#77828f"},
	"mark":   {fill: "#7fb4ea"},
	"whole":  {fill: "#f0a35e"},
	"wholel": {stroke: "#f0a35e"},
	"whisk":  {stroke: "#5a86b5"},
	"cap":    {stroke: "#e8ecf1"},
	"line":   {fill: "none", stroke: "#7fb4ea"},
	"band":   {fill: "#24405f"},
	"c0":     {fill: "#1f3249", stroke: "#7d8ea3"},
	"c1":     {fill: "#305c8c", stroke: "#7d8ea3"},
	"c2":     {fill: "#4b8ac9", stroke: "#1d2a3a"},
	"c3":     {fill: "#8fbfee", stroke: "#1d2a3a"},
	"c4":     {fill: "#dcedfd", stroke: "#1d2a3a"},
	"none":   {fill: "none", stroke: "#7d8ea3"},
	"hatch":  {fill: "none", stroke: "#7d8ea3"},
}

// classes are the keys of a palette in the order of Style.
var classes = strings.Fields("bg fg mute warn pill grid axis mark whole wholel whisk cap line band c0 c1 c2 c3 c4 none hatch")

var palettes = map[question.Theme]palette{question.ThemeAuto: light, question.ThemeLight: light, question.ThemeDark: dark}

// Style is the style sheet of pictures without a fixed theme: dark colours on a dark screen.
// The light ones, which print has too, are attributes. A page with such pictures inside
// includes it in its own style sheet. All its rules begin with the class "ch-auto".
var Style = style()

// StyleHash is the source of Style for the directive style-src of a
// Content-Security-Policy, without quotes: sha256-...
var StyleHash = hash(Style)

func style() string {
	var b strings.Builder
	b.WriteString("@media screen and (prefers-color-scheme:dark){")
	for _, name := range classes {
		b.WriteString(".ch-auto .ch-" + name + "{")
		p, sep := dark[name], ""
		if p.fill != "" && p.fill != "none" {
			b.WriteString("fill:" + p.fill)
			sep = ";"
		}
		if p.stroke != "" {
			b.WriteString(sep + "stroke:" + p.stroke)
		}
		b.WriteString("}")
	}
	b.WriteString("}")
	return b.String()
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
