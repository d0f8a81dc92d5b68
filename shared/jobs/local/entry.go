package local

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"oipnode/shared/jobs"
)

// head is what changes about a job. It is stored as four numbers of eight bytes.
type head struct {
	id   uint64
	sent time.Time
	// due is the time from which the job can be received.
	due time.Time
	// attempt counts the deliveries.
	attempt uint64
	// delivery is the number of the latest delivery; 0 before the first.
	delivery uint64
}

const headLen = 4 * 8

func key(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// nanos is a moment as the due bucket orders it.
func nanos(t time.Time) uint64 { return uint64(max(t.UnixNano(), 0)) }

func moment(n uint64) time.Time { return time.Unix(0, int64(n)) }

func (h head) encode() []byte {
	b := make([]byte, 0, headLen)
	for _, n := range []uint64{nanos(h.sent), nanos(h.due), h.attempt, h.delivery} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func decodeHead(id uint64, b []byte) (head, error) {
	if len(b) != headLen {
		return head{}, fmt.Errorf("%w: the head of job %016x has %d bytes", ErrCorrupt, id, len(b))
	}
	n := func(i int) uint64 { return binary.BigEndian.Uint64(b[8*i:]) }
	return head{id: id, sent: moment(n(0)), due: moment(n(1)), attempt: n(2), delivery: n(3)}, nil
}

// dueKey is the key of the job's entry in the due bucket.
func (h head) dueKey() []byte { return append(key(nanos(h.due)), key(h.id)...) }

// splitDue is the reverse of dueKey.
func splitDue(k []byte) (due time.Time, id uint64, err error) {
	if len(k) != 16 {
		return time.Time{}, 0, fmt.Errorf("%w: an entry of the due bucket has %d bytes", ErrCorrupt, len(k))
	}
	return moment(binary.BigEndian.Uint64(k)), binary.BigEndian.Uint64(k[8:]), nil
}

// name is the ID of a job as the caller knows it.
func name(id uint64) string { return fmt.Sprintf("%016x", id) }

// parseName is the reverse of name.
func parseName(s string) (id uint64, ok bool) {
	if len(s) != 16 || strings.Trim(s, "0123456789abcdef") != "" {
		return 0, false
	}
	id, err := strconv.ParseUint(s, 16, 64)
	return id, err == nil
}

func (h head) receipt() string { return name(h.id) + "-" + name(h.delivery) }

// parseReceipt is the reverse of receipt.
func parseReceipt(s string) (id, delivery uint64, err error) {
	first, second, _ := strings.Cut(s, "-")
	id, ok := parseName(first)
	delivery, fine := parseName(second)
	if !ok || !fine || delivery == 0 {
		return 0, 0, fmt.Errorf("%w: it is none of this queue", jobs.ErrReceipt)
	}
	return id, delivery, nil
}

// received finds the job that a receipt is for. ended says that there is none any
// more; a receipt of an earlier delivery, or of none, is jobs.ErrReceipt.
func received(tx *bbolt.Tx, receipt string) (h head, ended bool, err error) {
	id, delivery, err := parseReceipt(receipt)
	if err != nil {
		return head{}, false, err
	}
	v := tx.Bucket(bucketHeads).Get(key(id))
	if v == nil {
		return head{}, true, nil
	}
	if h, err = decodeHead(id, v); err == nil && h.delivery != delivery {
		err = fmt.Errorf("%w: job %s was received again", jobs.ErrReceipt, name(id))
	}
	return h, false, err
}

// move writes a job's head with another due time, and its entry in the due bucket.
func move(tx *bbolt.Tx, old, h head) error {
	if err := tx.Bucket(bucketDue).Delete(old.dueKey()); err != nil {
		return err
	}
	return write(tx, h)
}

// write writes a job's head and its entry in the due bucket.
func write(tx *bbolt.Tx, h head) error {
	if err := tx.Bucket(bucketDue).Put(h.dueKey(), nil); err != nil {
		return err
	}
	return tx.Bucket(bucketHeads).Put(key(h.id), h.encode())
}

// remove takes a job out of the queue.
func remove(tx *bbolt.Tx, h head) error {
	if err := tx.Bucket(bucketDue).Delete(h.dueKey()); err != nil {
		return err
	}
	for _, bucket := range [][]byte{bucketHeads, bucketBodies} {
		if err := tx.Bucket(bucket).Delete(key(h.id)); err != nil {
			return err
		}
	}
	return count(tx, keyJobs, -1)
}
