package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// completeCommand is the hidden command by which the scripts ask what fits:
// `lestats __complete SHELL WORD...`, where the last word is the one to complete.
const completeCommand = "__complete"

type completionCmd struct {
	Shell string `arg:"" help:"Shell: bash, zsh or fish." enum:"bash,zsh,fish"`
}

// Help is what `lestats completion --help` adds.
func (completionCmd) Help() string {
	return `The script completes commands, flags and values: of formats, questions, their parameters, and columns. It asks this program, so it need not be made again for a new version.

Examples:

  source <(lestats completion bash)          # in ~/.bashrc
  source <(lestats completion zsh)           # in ~/.zshrc, after compinit
  lestats completion fish | source           # in ~/.config/fish/config.fish`
}

// Run prints the script.
func (c *completionCmd) Run(s *streams) error {
	_, err := io.WriteString(exact(s.out), completionScripts[c.Shell])
	return err
}

// completionScripts ask the program that was typed. Where it knows nothing, they complete
// the names of files. bash splits words at "=", so its script splits at spaces only, and
// takes off what bash keeps.
var completionScripts = map[string]string{
	"bash": `_lestats() {
  local line="${COMP_LINE:0:COMP_POINT}" cur words IFS
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  cur="${words[${#words[@]}-1]}"
  IFS=$'\n'
  COMPREPLY=($("${1/#\~/$HOME}" __complete bash "${words[@]:1}" 2>/dev/null))
  if [[ $cur == *=* && $COMP_WORDBREAKS == *=* ]]; then
    COMPREPLY=("${COMPREPLY[@]#"${cur%%=*}="}")
  fi
  if [[ ${COMPREPLY[0]-} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -o default -F _lestats lestats
`,
	"zsh": `#compdef lestats
_lestats() {
  local line
  local -a whole wholeText open openText
  for line in "${(@f)$("${words[1]/#\~/$HOME}" __complete zsh "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -z $line ]] && continue
    if [[ ${line%%$'\t'*} == *= ]]; then
      open+=("${line%%$'\t'*}"); openText+=("${line/$'\t'/  }")
    else
      whole+=("${line%%$'\t'*}"); wholeText+=("${line/$'\t'/  }")
    fi
  done
  if (( ${#whole} + ${#open} == 0 )); then _files; return; fi
  if (( ${#whole} )); then compadd -l -d wholeText -a whole; fi
  if (( ${#open} )); then compadd -l -S '' -d openText -a open; fi
}
compdef _lestats lestats
`,
	"fish": `function __lestats_complete
    set -l words (commandline -opc)
    set -l cur (commandline -ct)
    set -l found ($words[1] __complete fish $words[2..-1] "$cur" 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path "$cur"
    end
end
complete -c lestats -f -a '(__lestats_complete)'
`,
}

// candidate is one completion.
type candidate struct{ word, text string }

// complete prints what may stand for the last of the words: for bash the words alone, for
// the others a tab and a description after each. It prints nothing where only the user
// knows, or a file is meant.
func complete(ctx context.Context, model *kong.Application, args []string, out io.Writer) {
	if len(args) < 2 {
		return
	}
	shell, words := args[0], args[1:]
	for _, c := range completions(ctx, model, words) {
		if shell == "bash" || c.text == "" {
			fmt.Fprintln(out, c.word)
		} else {
			fmt.Fprintf(out, "%s\t%s\n", c.word, question.Visible(c.text))
		}
	}
}

func completions(ctx context.Context, model *kong.Application, words []string) []candidate {
	line := readLine(model, words[:len(words)-1])
	last := words[len(words)-1]
	var found []candidate
	switch name, value, given := strings.Cut(last, "="); {
	case line.pending != nil:
		found = line.flagValues(ctx, line.pending, "")
	case given && strings.HasPrefix(last, "--"):
		if f := line.flag(name); f != nil {
			found = line.flagValues(ctx, f, name+"=")
		}
	case strings.HasPrefix(last, "-"):
		for _, f := range line.flags() {
			found = append(found, candidate{"--" + f.Name, f.Help})
		}
	case len(line.node.Children) > 0 && len(line.positional) == 0:
		for _, child := range line.node.Children {
			if !child.Hidden && child.Type == kong.CommandNode {
				found = append(found, candidate{child.Name, child.Help})
			}
		}
	case !given || value == "":
		found = line.arguments(ctx)
	}
	return slices.DeleteFunc(found, func(c candidate) bool { return c.word == "" || !strings.HasPrefix(c.word, last) })
}

// commandLine is what precedes the word to complete.
type commandLine struct {
	node       *kong.Node
	command    string // such as "data values"
	positional []string
	given      map[string]string // flags by name
	pending    *kong.Flag        // its value is the word to complete
}

func readLine(model *kong.Application, words []string) *commandLine {
	line := &commandLine{node: model.Node, given: map[string]string{}}
	for _, word := range words {
		switch {
		case line.pending != nil:
			line.given[line.pending.Name], line.pending = word, nil
		case strings.HasPrefix(word, "-"):
			name, value, given := strings.Cut(word, "=")
			switch f := line.flag(name); {
			case f == nil:
			case given:
				line.given[f.Name] = value
			case !f.IsBool():
				line.pending = f
			}
		default:
			at := slices.IndexFunc(line.node.Children, func(n *kong.Node) bool { return n.Type == kong.CommandNode && n.Name == word })
			if at >= 0 && len(line.positional) == 0 {
				line.node = line.node.Children[at]
				line.command = strings.TrimSpace(line.command + " " + word)
			} else {
				line.positional = append(line.positional, word)
			}
		}
	}
	return line
}

// flags returns the flags that the command takes.
func (l *commandLine) flags() []*kong.Flag {
	var all []*kong.Flag
	for _, group := range l.node.AllFlags(true) {
		all = append(all, group...)
	}
	return all
}

// flag returns the flag --name or -n, nil if there is none.
func (l *commandLine) flag(word string) *kong.Flag {
	for _, f := range l.flags() {
		if word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) {
			return f
		}
	}
	return nil
}

// flagValues returns the values of a flag, each after a prefix.
func (l *commandLine) flagValues(ctx context.Context, f *kong.Flag, prefix string) (found []candidate) {
	if f.Name == "where" {
		l.opened(ctx, func(q *wire.Questions) {
			columns := q.Dataset.Columns()
			for i := range columns {
				if c := &columns[i]; c.Role == question.RoleDimension {
					found = append(found, candidate{prefix + c.Name + "=", c.Title})
				}
			}
		})
		return found
	}
	for _, value := range f.EnumSlice() {
		found = append(found, candidate{prefix + value, ""})
	}
	return found
}

// arguments returns what may stand as the next argument.
func (l *commandLine) arguments(ctx context.Context) (found []candidate) {
	n := len(l.positional)
	switch {
	case l.command == "data values" && n == 0:
		l.opened(ctx, func(q *wire.Questions) {
			columns := q.Dataset.Columns()
			for i := range columns {
				found = append(found, candidate{columns[i].Name, columns[i].Title})
			}
		})
	case l.command == "ask" || l.command == "cite":
		l.opened(ctx, func(q *wire.Questions) {
			for _, o := range q.Served() {
				if n == 0 {
					found = append(found, candidate{o.Question.Name, o.Question.Title})
				} else if o.Question.Name == l.positional[0] {
					for _, p := range o.Question.Params {
						if !p.Absent {
							found = append(found, candidate{p.Name + "=", p.Title})
						}
					}
				}
			}
		})
	case n < len(l.node.Positional):
		for _, value := range l.node.Positional[n].EnumSlice() {
			found = append(found, candidate{value, ""})
		}
	}
	return found
}

// opened calls do with the questions that the flags on the line select, and does nothing
// if they cannot be opened.
func (l *commandLine) opened(ctx context.Context, do func(*wire.Questions)) {
	cfg := wire.QuestionsConfig{}
	cfg.Log = slog.New(slog.DiscardHandler)
	for flag, to := range map[string]*string{"data": &cfg.Data, "descriptor": &cfg.Descriptor, "plugins": &cfg.Plugins, "cache": &cfg.Cache} {
		if *to = l.given[flag]; *to == "" {
			*to = os.Getenv("LESTATS_" + strings.ToUpper(flag))
		}
	}
	if cfg.Data == "-" { // it is the terminal's
		return
	}
	_ = withQuestions(ctx, cfg, func(q *wire.Questions) error {
		do(q)
		return nil
	})
}
