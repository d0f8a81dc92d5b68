package gatewaysim

import (
	"crypto/sha512"
	"encoding/base64"
	"strconv"
	"strings"

	"oipnode/shared/oip/canon"
)

// connection appends a page of rows of one type, Transaction or Block. Here and
// below, texts are written by canon.AppendString: tags may hold lone surrogates,
// which clients have to get back as they were signed.
func (x *execution) connection(dst []byte, fields []selection, of string, p page) []byte {
	dst = append(dst, '{')
	for i, f := range fields {
		dst = appendKey(dst, i, f.key)
		switch f.field.Name {
		case "__typename":
			dst = canon.AppendString(dst, of+"Connection")
		case "pageInfo":
			dst = appendObject(dst, f.fields, func(dst []byte, name string) []byte {
				if name == "__typename" {
					return canon.AppendString(dst, "PageInfo")
				}
				return strconv.AppendBool(dst, p.hasNext)
			})
		case "edges":
			dst = append(dst, '[')
			for i, e := range p.edges {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = x.edge(dst, f.fields, of, e)
			}
			dst = append(dst, ']')
		}
	}
	return append(dst, '}')
}

func (x *execution) edge(dst []byte, fields []selection, of string, e edge) []byte {
	dst = append(dst, '{')
	for i, f := range fields {
		dst = appendKey(dst, i, f.key)
		switch {
		case f.field.Name == "__typename":
			dst = canon.AppendString(dst, of+"Edge")
		case f.field.Name == "cursor":
			dst = append(dst, '"')
			dst = append(x.server.appendCursor(dst, e.cursor, e.offset), '"')
		case of == "Block":
			dst = x.block(dst, f.fields, e.row.Height)
		default:
			dst = x.row(dst, f.fields, e.row)
		}
	}
	return append(dst, '}')
}

// row appends a Transaction.
func (x *execution) row(dst []byte, fields []selection, e *entry) []byte {
	dst = append(dst, '{')
	for i, f := range fields {
		dst = appendKey(dst, i, f.key)
		switch f.field.Name {
		case "id":
			dst = canon.AppendString(dst, e.ID)
		case "anchor", "recipient":
			dst = append(dst, `""`...)
		case "signature":
			dst = canon.AppendString(dst, filler("signature "+e.ID))
		case "owner":
			dst = appendObject(dst, f.fields, func(dst []byte, name string) []byte {
				switch name {
				case "address":
					return canon.AppendString(dst, e.Owner)
				case "key":
					return canon.AppendString(dst, filler("key "+e.Owner))
				}
				return canon.AppendString(dst, "Owner")
			})
		case "fee", "quantity":
			dst = appendObject(dst, f.fields, func(dst []byte, name string) []byte {
				switch name {
				case "winston":
					return append(dst, `"0"`...)
				case "ar":
					return append(dst, `"0.000000000000"`...)
				}
				return canon.AppendString(dst, "Amount")
			})
		case "data":
			dst = appendObject(dst, f.fields, func(dst []byte, name string) []byte {
				switch name {
				case "size":
					dst = strconv.AppendInt(append(dst, '"'), int64(len(e.Data)), 10)
					return append(dst, '"')
				case "type":
					return appendStringOrNull(dst, e.tag("Content-Type"))
				}
				return canon.AppendString(dst, "MetaData")
			})
		case "tags":
			dst = x.tags(dst, f.fields, e)
		case "block":
			if e.Height == 0 {
				dst = append(dst, "null"...)
			} else {
				dst = x.block(dst, f.fields, e.Height)
			}
		case "parent", "bundledIn":
			if !e.Bundled {
				dst = append(dst, "null"...)
				continue
			}
			dst = appendObject(dst, f.fields, func(dst []byte, name string) []byte {
				if name == "id" {
					return canon.AppendString(dst, bundleID(e.Height))
				}
				return canon.AppendString(dst, f.field.Definition.Type.Name())
			})
		default:
			dst = canon.AppendString(dst, "Transaction") // __typename
		}
	}
	return append(dst, '}')
}

func (x *execution) tags(dst []byte, fields []selection, e *entry) []byte {
	dst = append(dst, '[')
	for i, t := range e.Tags {
		if i > 0 {
			dst = append(dst, ',')
		}
		value := t.Value
		if t.Name == "CreatorSig" && x.draw.hitsAlways(LostPlus, e.hash) {
			value = strings.ReplaceAll(value, "+", " ")
		}
		dst = appendObject(dst, fields, func(dst []byte, name string) []byte {
			switch name {
			case "name":
				return canon.AppendString(dst, t.Name)
			case "value":
				return canon.AppendString(dst, value)
			}
			return canon.AppendString(dst, "Tag")
		})
	}
	return append(dst, ']')
}

// filler stands for a key or a signature: 512 bytes that nobody verifies.
func filler(of string) string {
	sum := sha512.Sum512([]byte(of))
	raw := make([]byte, 0, 512)
	for range 512 / len(sum) {
		raw = append(raw, sum[:]...)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// appendObject appends an object whose fields are leaves.
func appendObject(dst []byte, fields []selection, leaf func(dst []byte, name string) []byte) []byte {
	dst = append(dst, '{')
	for i, f := range fields {
		dst = leaf(appendKey(dst, i, f.key), f.field.Name)
	}
	return append(dst, '}')
}

// appendKey appends the name of the i-th member of an object. Names of GraphQL
// need no escaping.
func appendKey(dst []byte, i int, key string) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	dst = append(append(dst, '"'), key...)
	return append(dst, `":`...)
}

func appendStringOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return canon.AppendString(dst, s)
}
