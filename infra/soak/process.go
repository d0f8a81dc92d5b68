package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	// patience is how long the node may take to serve, and to index the chain.
	patience = 2 * time.Minute
	// endTime is how long it may take to end.
	endTime = 10 * time.Second
	// keptLines is how many warnings and errors of its log are kept.
	keptLines = 20
	// maxLine is the longest line of its log that is read.
	maxLine = 1 << 20
	// maxAnswer is the longest answer that is read, in bytes.
	maxAnswer = 64 << 20
)

// process is the node as an operator runs it.
type process struct {
	cmd *exec.Cmd
	url string
	// http is for what is not part of the load.
	http  *http.Client
	ended chan struct{}
	// stores are the files and folders of its stores, the media left out.
	stores []string

	mu sync.Mutex
	// complaints are the first warnings and errors of its log, count all of them.
	complaints []string
	count      int
}

// startNode starts the node with this environment and no other, and waits until it
// serves.
func startNode(ctx context.Context, binary string, env []string) (*process, error) {
	p := &process{
		cmd: exec.Command(binary), ended: make(chan struct{}),
		http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	p.cmd.Env = env
	logs, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the node: %w", err)
	}
	serving := make(chan string, 1)
	go p.read(logs, serving)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case p.url = <-serving:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("the node ended instead of serving: %s", p.said())
	case <-timer.C:
		err = errors.New("the node does not serve")
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.kill()
	return nil, err
}

// read reads the log until the node has ended.
func (p *process) read(logs io.Reader, serving chan<- string) {
	defer close(p.ended)
	scanner := bufio.NewScanner(logs)
	scanner.Buffer(nil, maxLine)
	for scanner.Scan() {
		var line struct{ Level, Msg, URL string }
		if json.Unmarshal(scanner.Bytes(), &line) != nil {
			line.Level = "ERROR" // a panic, say
		}
		switch {
		case line.Msg == "serving":
			select {
			case serving <- line.URL:
			default:
			}
		case strings.Contains(scanner.Text(), allowPrivate) && line.Level == "WARN":
		case line.Level == "WARN", line.Level == "ERROR":
			p.mu.Lock()
			if p.count++; len(p.complaints) < keptLines {
				p.complaints = append(p.complaints, scanner.Text())
			}
			p.mu.Unlock()
		}
	}
	_, _ = io.Copy(io.Discard, logs) // behind a line that was too long; the node must not wait
	_ = p.cmd.Wait()                 // how it ended is in ProcessState
}

// complained returns how many warnings and errors the node logged, and the first.
func (p *process) complained() (int, []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count, append([]string{}, p.complaints...)
}

func (p *process) said() string {
	_, lines := p.complained()
	if len(lines) == 0 {
		return "it logged no error"
	}
	return lines[len(lines)-1]
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// kill ends the node at once. It may have ended before.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// stop ends the node as Ctrl-C does, which must have the exit code 0.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("stop the node: %w", err)
	}
	timer := time.NewTimer(endTime)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		p.kill()
		return fmt.Errorf("the node is still there %v after Ctrl-C", endTime)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the node ended with the code %d: %s", code, p.said())
	}
	return nil
}

// ask gets JSON from the node.
func (p *process) ask(ctx context.Context, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return err
	}
	body, err := answer(p.http, r, http.StatusOK)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// until waits for something to become true.
func until(ctx context.Context, what string, within time.Duration, ok func() (bool, error)) error {
	for end := time.Now().Add(within); ; {
		good, err := ok()
		if good && err == nil {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(fmt.Errorf("after %v %s", within, what), err)
		}
		if !pause(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// pause waits; it reports false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
