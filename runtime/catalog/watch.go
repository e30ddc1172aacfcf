package catalog

import (
	"context"
	"io/fs"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
)

// calm is the least time between two looks, however many events there are.
const calm = 50 * time.Millisecond

// watch looks again and again until ctx ends. That it looks anyway, events or not,
// is what makes it right where events are missing: on network file systems, under
// a container's bind mount, for a folder that is not there yet, for links.
func (c *Catalog) watch(ctx context.Context) {
	defer close(c.ended)
	events := c.listen()
	defer events.close()
	for {
		events.follow(c.places)
		wait := c.cfg.Poll
		if c.look(ctx, time.Now(), false) {
			wait = min(wait, c.cfg.Settle/2)
		}
		if !sleep(ctx, calm) { // where there is one event there are more
			return
		}
		if events.await(ctx, wait-calm) {
			for _, p := range c.places {
				if p.Bucket == nil {
					p.due = time.Time{}
				}
			}
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

// events are those of the folders. All that counts is that there was one.
type events struct {
	catalog *Catalog
	watcher *fsnotify.Watcher // nil: there are none
	follows map[string]fs.FileInfo
}

func (c *Catalog) listen() *events {
	e := &events{catalog: c, follows: map[string]fs.FileInfo{}}
	for _, p := range c.places {
		if p.Folder == "" || e.watcher != nil {
			continue
		}
		w, err := fsnotify.NewWatcher()
		if err != nil {
			c.cfg.Log.Info("there are no file events here: the plugin folder is looked at every so often", "every", c.cfg.Poll, "err", err)
			break
		}
		e.watcher = w
	}
	return e
}

// follow has the events of the folders that are there now. A folder that another
// was put in place of, or that was made anew, is another folder.
func (e *events) follow(places []*place) {
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
			_ = e.watcher.Remove(p.Folder) // gone with the folder, most times
			delete(e.follows, p.Folder)
		}
		if err != nil {
			continue
		}
		if err := e.watcher.Add(p.Folder); err != nil {
			e.catalog.cfg.Log.Debug("a folder has no file events", "folder", p.Folder, "err", err)
		}
		e.follows[p.Folder] = info // a failure is not repeated
		p.due = time.Time{}        // what came before its events did
	}
}

// await waits for an event, until ctx or the time ends, and reports whether there
// was one.
func (e *events) await(ctx context.Context, most time.Duration) (some bool) {
	var happened <-chan fsnotify.Event
	var lost <-chan error // too many at once, say: a look makes good for all of them
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
	case _ = <-lost: //nolint:staticcheck // an error all the same
	}
	for {
		select { // what else there is, for nothing
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
