package rsapss

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

// trailer is the last byte of every encoded message.
const trailer = 0xbc

// consistent is EMSA-PSS-VERIFY of RFC 8017 section 9.1.2 with SHA-256 and the
// length of the salt taken from where its delimiter stands. em must have no more
// than emBits bits, at least MinBits-1, and is overwritten.
func consistent(em []byte, emBits int, digest [sha256.Size]byte) bool {
	if em[len(em)-1] != trailer {
		return false
	}
	db := em[:len(em)-sha256.Size-1]
	hash := em[len(db) : len(em)-1]
	unmask(db, hash)
	db[0] &= 0xff >> (8*len(em) - emBits)

	// The data block is zeros, a one, and the salt.
	salt := bytes.TrimLeft(db, "\x00")
	if len(salt) == 0 || salt[0] != 1 {
		return false
	}
	salt = salt[1:]

	var zeros [8]byte
	h := sha256.New()
	h.Write(zeros[:])
	h.Write(digest[:])
	h.Write(salt)
	var sum [sha256.Size]byte
	return bytes.Equal(h.Sum(sum[:0]), hash)
}

// unmask applies MGF1 of RFC 8017 section B.2.1, with SHA-256, to db.
func unmask(db, seed []byte) {
	var block [sha256.Size + 4]byte // the seed and a counter
	copy(block[:], seed)
	for counter := uint32(0); len(db) > 0; counter++ {
		binary.BigEndian.PutUint32(block[sha256.Size:], counter)
		mask := sha256.Sum256(block[:])
		db = db[subtle.XORBytes(db, db, mask[:]):]
	}
}
