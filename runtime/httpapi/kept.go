package httpapi

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// kept keeps values of known sizes, the most recently used ones, up to a number of bytes.
// It is safe for concurrent use.
type kept struct {
	mu    sync.Mutex
	lru   *simplelru.LRU[string, sized]
	bytes int64
	most  int64
}

// sized is a value that is kept. Those who hold it share it.
type sized interface{ size() int }

// newKept returns a cache that keeps nothing if most is 0.
func newKept(most int64) *kept {
	lru, err := simplelru.NewLRU[string, sized](math.MaxInt, nil)
	if err != nil {
		panic(err) // only of a size below 1
	}
	return &kept{lru: lru, most: most}
}

// entryCost estimates the memory of an entry beside its key and its value, in bytes.
const entryCost = 256

func cost(key string, v sized) int64 { return int64(entryCost + len(key) + v.size()) }

func (k *kept) get(key string) (sized, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lru.Get(key)
}

// put keeps a value, unless it would take more than an eighth of the room.
func (k *kept) put(key string, v sized) {
	n := cost(key, v)
	if n > k.most/8 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if old, ok := k.lru.Peek(key); ok {
		k.bytes -= cost(key, old)
	}
	k.lru.Add(key, v)
	for k.bytes += n; k.bytes > k.most; {
		old, v, _ := k.lru.RemoveOldest()
		k.bytes -= cost(old, v)
	}
}
