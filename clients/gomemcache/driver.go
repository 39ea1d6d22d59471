// gomemcache: one client for all goroutines.
package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	harness "../lib"
	"github.com/bradfitz/gomemcache/memcache"
)

// version of Debian's package; the source names none.
const version = "0.0~git20141109"

// itemsKept for a later cas: a caller hands back the item that it got, whose token no one else can see.
const itemsKept = 4096

type calls struct {
	client *memcache.Client
	lock   sync.Mutex
	items  [itemsKept]*memcache.Item
	gotten int
}

func main() {
	harness.Serve(func(servers []string, settings map[string]interface{}) (*harness.Subject, error) {
		// As New makes it, which keeps the list to itself. Names are resolved here, once.
		list := new(memcache.ServerList)
		list.SetServers(servers...)
		client := memcache.NewFromSelector(list)
		for name, value := range settings {
			milliseconds, ok := value.(float64)
			if name != "Timeout" || !ok {
				return nil, fmt.Errorf("no setting %s", name)
			}
			client.Timeout = time.Duration(milliseconds * float64(time.Millisecond))
		}
		c := &calls{client: client}
		return &harness.Subject{Name: "gomemcache", Version: version, Flags: true, Calls: c.table(),
			SetServers: func(servers []string) error { return list.SetServers(servers...) },
			ErrorClass: errorClass, Close: func() {}}, nil
	})
}

func (c *calls) table() map[string]harness.Call {
	return map[string]harness.Call{
		"get":      c.get,
		"get_many": c.getMany,
		"gets":     c.gets,
		"cas":      c.cas,
		"set":      c.store(c.client.Set),
		"add":      c.store(c.client.Add),
		"replace":  c.store(c.client.Replace),
		"delete": func(r *harness.Request) (harness.Answer, error) {
			return done("deleted", "not_found", c.client.Delete(r.Key()))
		},
		"touch": func(r *harness.Request) (harness.Answer, error) {
			return done("touched", "not_found", c.client.Touch(r.Key(), r.TTL))
		},
		"incr": c.count(c.client.Increment),
		"decr": c.count(c.client.Decrement),
	}
}

// done is yes, the server's no, or the error.
func done(yes, no string, err error) (harness.Answer, error) {
	switch err {
	case nil:
		return harness.Done(yes), nil
	case memcache.ErrCacheMiss, memcache.ErrNotStored:
		return harness.Done(no), nil
	}
	return nil, err
}

func (c *calls) get(r *harness.Request) (harness.Answer, error) {
	item, err := c.client.Get(r.Key())
	if err != nil {
		return done("", "miss", err)
	}
	return harness.Hit(item.Value, item.Flags, ""), nil
}

func (c *calls) getMany(r *harness.Request) (harness.Answer, error) {
	keys := r.Keys()
	items, err := c.client.GetMulti(keys)
	if err != nil {
		return nil, err
	}
	found := map[string][]byte{}
	for key, item := range items {
		found[key] = item.Value
	}
	return harness.Hits(keys, found), nil
}

func (c *calls) gets(r *harness.Request) (harness.Answer, error) {
	item, err := c.client.Get(r.Key())
	if err != nil {
		return done("", "miss", err)
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	token := c.gotten
	c.items[token%itemsKept] = item
	c.gotten++
	return harness.Hit(item.Value, item.Flags, strconv.Itoa(token)), nil
}

func (c *calls) item(token string) (*memcache.Item, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	number, err := strconv.Atoi(token)
	if err != nil || number >= c.gotten || number < c.gotten-itemsKept || number < 0 {
		return nil, fmt.Errorf("no item is kept for the token %q", token)
	}
	item := *c.items[number%itemsKept]
	return &item, nil
}

func (c *calls) cas(r *harness.Request) (harness.Answer, error) {
	item, err := c.item(r.CAS)
	if err != nil {
		return nil, err
	}
	item.Key, item.Value, item.Flags, item.Expiration = r.Key(), r.Value(), r.Flags, r.TTL
	err = c.client.CompareAndSwap(item)
	if err == memcache.ErrCASConflict {
		return harness.Done("exists"), nil
	}
	return done("stored", "not_found", err)
}

func (c *calls) store(do func(*memcache.Item) error) harness.Call {
	return func(r *harness.Request) (harness.Answer, error) {
		item := memcache.Item{Key: r.Key(), Value: r.Value(), Flags: r.Flags, Expiration: r.TTL}
		return done("stored", "not_stored", do(&item))
	}
}

func (c *calls) count(do func(string, uint64) (uint64, error)) harness.Call {
	return func(r *harness.Request) (harness.Answer, error) {
		value, err := do(r.Key(), r.By)
		if err != nil {
			return done("", "not_found", err)
		}
		return harness.Counted(value), nil
	}
}

func errorClass(err error) string {
	switch err {
	case memcache.ErrMalformedKey:
		return "client_error"
	case memcache.ErrServerError:
		return "server_error"
	case memcache.ErrNoServers:
		return "no_connection"
	}
	if _, ok := err.(*memcache.ConnectTimeoutError); ok {
		return "connect_timeout"
	}
	message := err.Error()
	switch {
	case strings.Contains(message, "too large"):
		return "too_large"
	case strings.Contains(message, "SERVER_ERROR"):
		return "server_error"
	case strings.Contains(message, "CLIENT_ERROR"), strings.Contains(message, "client error"):
		return "client_error"
	case strings.HasPrefix(message, "memcache: unexpected"):
		return "protocol"
	}
	return ""
}
