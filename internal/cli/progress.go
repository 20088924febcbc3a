package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress shows on a terminal what a long run is doing. Nothing is shown for
// runs under a second, and nothing ever in a pipe.
type progress struct {
	mu    sync.Mutex
	text  string
	shown bool
	done  chan struct{}
	once  sync.Once
	ended sync.WaitGroup
}

func startProgress(w io.Writer) *progress {
	p := &progress{done: make(chan struct{})}
	if !isTerminal(w) {
		return p
	}
	p.ended.Go(func() { p.run(w) })
	return p
}

func (p *progress) run(w io.Writer) {
	const quiet, every = time.Second, 100 * time.Millisecond
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	for {
		select {
		case <-p.done:
			if p.shown {
				fmt.Fprint(w, "\r\x1b[K") //nolint:errcheck // progress is a courtesy
			}
			return
		case <-timer.C:
			p.mu.Lock()
			fmt.Fprintf(w, "\r\x1b[K%s", p.text) //nolint:errcheck // progress is a courtesy
			p.mu.Unlock()
			p.shown = true
			timer.Reset(every)
		}
	}
}

// set says what is being done and how far it is; total 0 means not known.
func (p *progress) set(what string, done, total int) {
	const cells = 24
	p.mu.Lock()
	defer p.mu.Unlock()
	if total == 0 {
		p.text = fmt.Sprintf("%s: %d", what, done)
		return
	}
	bar := make([]byte, cells)
	for i := range bar {
		bar[i] = '.'
		if i < done*cells/total {
			bar[i] = '#'
		}
	}
	p.text = fmt.Sprintf("%s [%s] %d/%d", what, bar, done, total)
}

// stop takes the progress off the screen. It may be called more than once.
func (p *progress) stop() {
	p.once.Do(func() {
		close(p.done)
		p.ended.Wait()
	})
}

// quiet takes the progress off the screen before the first thing is written.
type quiet struct {
	w        io.Writer
	progress *progress
}

// Write hands on.
func (q quiet) Write(b []byte) (int, error) {
	q.progress.stop()
	return q.w.Write(b)
}
