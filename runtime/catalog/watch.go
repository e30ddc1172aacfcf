package catalog

import (
	"context"
	"io/fs"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
)

// minInterval is the shortest time between two reconciliations, however many events
// there are.
const minInterval = 50 * time.Millisecond

// watch reconciles until ctx ends, after file events and at intervals. The intervals
// make it correct where events are missing: on network file systems, in a container's
// bind mount, for links, and for a folder that does not exist yet.
func (c *Catalog) watch(ctx context.Context) {
	defer close(c.ended)
	events := c.listen()
	defer events.close()
	for {
		wait := c.cfg.Poll
		if !c.take(ctx) {
			return
		}
		events.follow(c.sources)
		if c.reconcile(ctx, time.Now(), false) {
			wait = min(wait, c.cfg.Debounce/2)
		}
		<-c.turn
		if !sleep(ctx, minInterval) { // events come in bursts
			return
		}
		if events.await(ctx, wait-minInterval) && c.take(ctx) {
			for _, p := range c.sources {
				if p.Bucket == nil {
					p.due = time.Time{}
				}
			}
			<-c.turn
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// events are the file events of the folders. Only their occurrence matters.
type events struct {
	catalog *Catalog
	watcher *fsnotify.Watcher // nil if the system has none
	follows map[string]fs.FileInfo
}

func (c *Catalog) listen() *events {
	e := &events{catalog: c, follows: map[string]fs.FileInfo{}}
	for _, p := range c.sources {
		if p.Folder == "" || e.watcher != nil {
			continue
		}
		w, err := fsnotify.NewWatcher()
		if err != nil {
			c.cfg.Log.Info("file events are not available; the plugin folder is listed at intervals", "every", c.cfg.Poll, "err", err)
			break
		}
		e.watcher = w
	}
	return e
}

// follow subscribes to the folders that exist now, and again to folders that were
// replaced or recreated.
func (e *events) follow(places []*source) {
	if e.watcher == nil {
		return
	}
	for _, p := range places {
		if p.Folder == "" {
			continue
		}
		info, err := os.Stat(p.Folder)
		known := e.follows[p.Folder]
		if err == nil && known != nil && os.SameFile(info, known) {
			continue
		}
		if known != nil {
			_ = e.watcher.Remove(p.Folder) // usually it went with the folder
			delete(e.follows, p.Folder)
		}
		if err != nil {
			continue
		}
		if err := e.watcher.Add(p.Folder); err != nil {
			e.catalog.cfg.Log.Debug("a folder has no file events", "folder", p.Folder, "err", err)
		}
		e.follows[p.Folder] = info // also on failure, which is not retried
		p.due = time.Time{}        // for changes before the subscription
	}
}

// await waits for an event, at most for the given time or until ctx ends, and reports
// whether there was one.
func (e *events) await(ctx context.Context, most time.Duration) (some bool) {
	var happened <-chan fsnotify.Event
	var lost <-chan error // such as an overflow: listing the folder makes up for lost events
	if e.watcher != nil {
		happened, lost = e.watcher.Events, e.watcher.Errors
	}
	timer := time.NewTimer(max(most, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return false
	case <-happened:
	case _ = <-lost: //nolint:staticcheck // the value does not matter
	}
	for {
		select { // drain the rest of the burst
		case <-happened:
		case _ = <-lost: //nolint:staticcheck // see above
		default:
			return true
		}
	}
}

func (e *events) close() {
	if e.watcher != nil {
		_ = e.watcher.Close()
	}
}
