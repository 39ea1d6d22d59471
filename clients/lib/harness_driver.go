// Package harness is what every Go driver shares: the harness's driver protocol, version 1, on stdin
// and stdout.
//
// A driver is a map from operations to functions that ask the client and make an answer of what it
// returned. Each operation runs in a goroutine of its own.
package harness

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
)

const (
	readerSize   = 1 << 16
	messageLimit = 200
)

var operations = []string{"get", "get_many", "gets", "cas", "set", "add", "replace", "append", "prepend",
	"delete", "touch", "gat", "incr", "decr"}

// Answer is what one request gets, without its id.
type Answer map[string]interface{}

// Call answers one request.
type Call func(*Request) (Answer, error)

// Subject is a client and what it can do.
type Subject struct {
	Name, Version string
	Flags         bool
	Calls         map[string]Call
	// ErrorClass is the class of an error as reports name it, or nothing.
	ErrorClass func(error) string
	// SetServers tells the client another list of nodes; nil when it has no way for that.
	SetServers func(servers []string) error
	Close      func()
}

// Request is one line of the harness's.
type Request struct {
	ID      *int64            `json:"id"`
	Op      *string           `json:"op"`
	KeyText string            `json:"key"`
	Key64   []byte            `json:"key64"`
	KeyList []json.RawMessage `json:"keys"`
	Text    *string           `json:"value"`
	Value64 []byte            `json:"value64"`
	TTL     int32             `json:"ttl_s"`
	Flags   uint32            `json:"flags"`
	By      uint64            `json:"by"`
	CAS     string            `json:"cas"`
	Ping    *int64            `json:"ping"`
	Bye     *int64            `json:"bye"`
	Cancel  *int64            `json:"cancel"`
	Members *int64            `json:"members"`
	Servers []string          `json:"servers"`
}

type hello struct {
	Hello    int                    `json:"hello"`
	Servers  []string               `json:"servers"`
	Settings map[string]interface{} `json:"settings"`
}

// Key of the request, as bytes in a string.
func (r *Request) Key() string {
	if r.Key64 != nil {
		return string(r.Key64)
	}
	return r.KeyText
}

// Keys of a get_many.
func (r *Request) Keys() []string {
	keys := make([]string, len(r.KeyList))
	for n, raw := range r.KeyList {
		var one Request
		if json.Unmarshal(raw, &keys[n]) != nil && json.Unmarshal(raw, &one) == nil {
			keys[n] = one.Key()
		}
	}
	return keys
}

// Value to store.
func (r *Request) Value() []byte {
	if r.Text != nil {
		return []byte(*r.Text)
	}
	return r.Value64
}

// Hit is a value that the client returned.
func Hit(value []byte, flags uint32, cas string) Answer {
	found := Answer{"value64": base64.StdEncoding.EncodeToString(value), "flags": flags}
	if cas != "" {
		found["cas"] = cas
	}
	return Answer{"hit": found}
}

// Hits is what a get_many returned; a key without a value was missed.
func Hits(keys []string, found map[string][]byte) Answer {
	hits := Answer{}
	for _, key := range keys {
		hits[key] = nil
		if value, ok := found[key]; ok {
			hits[key] = Answer{"value64": base64.StdEncoding.EncodeToString(value)}
		}
	}
	return Answer{"hits": hits}
}

// Done is an answer without content: stored, miss, not_found and so on.
func Done(name string) Answer { return Answer{name: Answer{}} }

// Counted is a counter's new value.
func Counted(value uint64) Answer { return Answer{"counted": Answer{"value": value}} }

type driver struct {
	subject *Subject
	out     *bufio.Writer
	saying  sync.Mutex
}

// Serve runs the client that open makes, until the input ends or the harness says bye.
func Serve(open func(servers []string, settings map[string]interface{}) (*Subject, error)) {
	in := bufio.NewReaderSize(os.Stdin, readerSize)
	line, err := in.ReadBytes('\n')
	if err == io.EOF {
		os.Exit(0)
	}
	var greeting hello
	if json.Unmarshal(line, &greeting) != nil || greeting.Hello != 1 {
		fail("the first line must be a hello of version 1")
	}
	subject, err := open(greeting.Servers, greeting.Settings)
	if err != nil {
		fail(err.Error())
	}
	d := &driver{subject: subject, out: bufio.NewWriter(os.Stdout)}
	d.say(Answer{"ready": 1, "client": subject.Name, "version": subject.Version,
		"runtime": runtime.Version(), "operations": d.supported(), "cancel": false,
		"members": subject.SetServers != nil})
	for {
		line, err = in.ReadBytes('\n')
		if err != nil {
			os.Exit(0)
		}
		d.take(line)
	}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(1)
}

func (d *driver) supported() []string {
	var supported []string
	for _, operation := range operations {
		if d.subject.Calls[operation] != nil {
			supported = append(supported, operation)
		}
	}
	return supported
}

func (d *driver) say(answer Answer) {
	line, err := json.Marshal(answer)
	if err != nil {
		fail(err.Error())
	}
	d.saying.Lock()
	defer d.saying.Unlock()
	d.out.Write(append(line, '\n'))
	d.out.Flush()
}

func (d *driver) take(line []byte) {
	request := &Request{}
	if err := json.Unmarshal(line, request); err != nil {
		d.complain(fmt.Sprintf("%v: %s", err, bytes.TrimSpace(line)))
		return
	}
	switch {
	case request.Op != nil:
		go d.work(request)
	case request.Ping != nil:
		d.say(Answer{"pong": *request.Ping})
	case request.Members != nil && d.subject.SetServers != nil:
		if err := d.subject.SetServers(request.Servers); err != nil {
			d.complain(err.Error())
			return
		}
		d.say(Answer{"listed": *request.Members})
	case request.Bye != nil:
		d.subject.Close()
		d.say(Answer{"bye": 1})
		os.Exit(0)
	case request.Cancel == nil:
		d.complain(fmt.Sprintf("unknown request %s", bytes.TrimSpace(line)))
	}
}

func (d *driver) complain(message string) {
	d.say(Answer{"error": Answer{"message": shortened(message)}})
}

func shortened(message string) string {
	if len(message) > messageLimit {
		return message[:messageLimit]
	}
	return message
}

func (d *driver) work(request *Request) {
	answer, err := d.call(request)
	if err != nil {
		answer = Answer{"error": Answer{"class": d.class(err), "message": shortened(err.Error())}}
	}
	answer["id"] = request.ID
	d.say(answer)
}

func unsupported(message string) Answer {
	return Answer{"error": Answer{"class": "unsupported", "message": message}}
}

func (d *driver) call(request *Request) (Answer, error) {
	call := d.subject.Calls[*request.Op]
	if call == nil {
		return unsupported("no operation " + *request.Op), nil
	}
	if request.Flags != 0 && !d.subject.Flags {
		return unsupported("this client cannot set flags"), nil
	}
	return call(request)
}

func (d *driver) class(err error) string {
	if class := d.subject.ErrorClass(err); class != "" {
		return class
	}
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EHOSTUNREACH):
		return "no_connection"
	}
	return "other"
}
