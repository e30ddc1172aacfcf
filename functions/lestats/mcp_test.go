package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// mcpCommand returns the real `lestats mcp`, in a folder of its own.
func mcpCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, append([]string{"mcp"}, args...)...)
	cmd.Env = append(os.Environ(), asLestats+"=1")
	cmd.Dir = t.TempDir()
	return cmd
}

// mcpSession starts `lestats mcp` as an assistant does. changed gets a value when it says that
// tools came or went.
func mcpSession(t *testing.T, args ...string) (session *sdk.ClientSession, cmd *exec.Cmd, changed chan struct{}) {
	t.Helper()
	changed = make(chan struct{}, 16)
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, &sdk.ClientOptions{
		ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { changed <- struct{}{} },
	})
	cmd = mcpCommand(t, args...)
	session, err := client.Connect(t.Context(), &sdk.CommandTransport{Command: cmd, TerminateDuration: patience}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return session, cmd, changed
}

// callTool calls a tool and returns its structured content.
func callTool(t *testing.T, session *sdk.ClientSession, name string, arguments map[string]any) (body map[string]any, failed bool) {
	t.Helper()
	result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		t.Fatal(err)
	}
	body, ok := result.StructuredContent.(map[string]any)
	if !ok {
		t.Fatalf("%+v", result)
	}
	return body, result.IsError
}

// An assistant that starts the command gets of every question what `ask` prints, and the
// command ends when the assistant does.
func TestMCPAnswersEveryQuestion(t *testing.T) {
	session, cmd, _ := mcpSession(t)
	questions, err := wire.OpenQuestions(t.Context(), wire.QuestionsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	served := questions.Served()
	for i := range served {
		req := served[i].Example
		args := []string{"ask", req.Question, "-f", "rows"}
		arguments := map[string]any{"_limit": 1000}
		for name, v := range req.Params {
			arguments[name] = v
			list, ok := v.([]any)
			if !ok {
				list = []any{v}
			}
			for _, one := range list {
				text, err := json.Marshal(one)
				if err != nil {
					t.Fatal(err)
				}
				args = append(args, name+"="+strings.Trim(string(text), `"`))
			}
		}
		if req.Where != nil {
			t.Fatalf("%s: an example with a where is not translated here", req.Question)
		}
		code, out, errs := lestats(t, args...)
		if code != exitOK {
			t.Fatal(errs)
		}
		var want map[string]any
		if err := json.Unmarshal([]byte(out), &want); err != nil {
			t.Fatal(err)
		}
		got, failed := callTool(t, session, req.Question, arguments)
		rows := want["data"].([]any)
		want["data"] = rows[:min(len(rows), 1000)]
		delete(got, "page")
		if failed || !reflect.DeepEqual(got["data"], want["data"]) || !reflect.DeepEqual(got["receipt"], want["receipt"]) || !reflect.DeepEqual(got["caveats"], want["caveats"]) {
			t.Errorf("%s: MCP %.300v\nask %.300v", req.Question, got, want)
		}
	}
	if err := questions.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := session.Close(); err != nil || cmd.ProcessState.ExitCode() != exitOK {
		t.Errorf("%v, %v", err, cmd.ProcessState)
	}
}

// A plugin that is put into the folder is a tool, and the assistant is told; when it is gone, a
// call of its tool says so.
func TestMCPFollowsPlugins(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for the folder")
	}
	folder := t.TempDir()
	session, _, changed := mcpSession(t, "--plugins", folder)
	has := func(name string) bool {
		list, err := session.ListTools(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(list.Tools, func(tool *sdk.Tool) bool { return tool.Name == name })
	}
	wait := func(name string, want bool) {
		t.Helper()
		for has(name) != want {
			select {
			case <-changed:
			case <-time.After(patience):
				t.Fatalf("nobody told that %s came or went", name)
			}
		}
	}
	wait("sum", false)
	drop(t, folder, guest(t, 1))
	wait("sum", true)
	if err := os.Remove(filepath.Join(folder, "good.wasm")); err != nil {
		t.Fatal(err)
	}
	wait("sum", false)
	body, failed := callTool(t, session, "sum", nil)
	if !failed || body["code"] != string(question.CodeUnknownQuestion) || !strings.Contains(body["reason"].(string), "list them again") {
		t.Errorf("%v", body)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}

// It ends on a signal while its input is open, and nothing but messages is on standard output.
func TestMCPEnds(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		session, cmd, _ := mcpSession(t, "--log-level", "debug")
		if err := session.Ping(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- session.Wait() }()
		select {
		case <-ended: // its standard output was closed
		case <-time.After(patience):
			t.Fatalf("it goes on after %s", s)
		}
		_ = session.Close()
		if cmd.ProcessState.ExitCode() != exitOK {
			t.Errorf("%s: %v", s, cmd.ProcessState)
		}
	}
	cmd := mcpCommand(t, "--data", "-")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "name a file") {
		t.Errorf("%v %s", err, out)
	}
}

// A client of another make asks every question over both transports, and gets what GET
// answers.
func TestMCPOfAnotherMake(t *testing.T) {
	python := os.Getenv("LESTATS_TEST_MCP_PYTHON")
	if python == "" {
		t.Skip("LESTATS_TEST_MCP_PYTHON is not set; make test-mcp sets it")
	}
	server := serve(t, nil)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, filepath.Join("testdata", "mcp_client.py"), server.url, exe)
	cmd.Env = append(os.Environ(), asLestats+"=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || strings.Count(string(out), "stdio: 13 questions") != 2 || strings.Count(string(out), "http: 13 questions") != 2 {
		t.Error(err)
	}
}
