package guntest

import (
	"errors"
	"fmt"
	"strings"

	"oipnode/shared/oip/canon"
)

// errData is data that GUN does not hold.
var errData = errors.New("data must be an object of values, objects and lists")

// link is JSON for a reference to another node.
func link(soul string) string { return `{"#":` + quote(soul) + `}` }

// quote is a text as JSON.
func quote(s string) string { return string(canon.AppendString(nil, s)) }

// member is a key of a node with its value as JSON: null, a string, a boolean, a
// number, or a link, whose soul stands in child.
type member struct {
	key, text, child string
}

// node is one node of the graph: members in the order of their first writing.
type node struct {
	members []member
	place   map[string]int // of a key in members
}

func (n *node) set(m member) {
	if i, ok := n.place[m.key]; ok {
		n.members[i] = m
		return
	}
	n.place[m.key] = len(n.members)
	n.members = append(n.members, m)
}

// graph is a graph in memory; the peer's lock guards it.
type graph map[string]*node

// build is a graph of what the test itself has made.
func build(put Put) graph {
	g := graph{}
	if err := g.put(put.Soul, parse(put.Data)); err != nil {
		panic("guntest: " + err.Error())
	}
	return g
}

// put unites an object with the node of a soul, as GUN does: what the object does
// not name stays, objects in it become nodes of their own, lists their JSON text.
// GUN's own keys are not data.
func (g graph) put(soul string, data canon.Value) error {
	if data.Kind() != canon.Object {
		return errData
	}
	n := g[soul]
	if n == nil {
		n = &node{place: map[string]int{}}
		g[soul] = n
	}
	for key, v := range data.Members() {
		key = strings.Clone(key)
		switch {
		case key == "_" || key == "#" || key == ">" || key == "<":
		case v.Kind() == canon.Array:
			n.set(member{key: key, text: quote(string(canon.Append(nil, v)))})
		case v.Kind() == canon.Object:
			child, isLink := linked(v)
			if !isLink {
				child = soul + "/" + key
				if err := g.put(child, v); err != nil {
					return fmt.Errorf("%s: %w", key, err)
				}
			}
			n.set(member{key: key, text: link(child), child: child})
		default:
			n.set(member{key: key, text: string(canon.Append(nil, v))})
		}
	}
	return nil
}

// linked reads a link: an object that holds nothing but a soul.
func linked(v canon.Value) (soul string, ok bool) {
	others := 0
	for key, value := range v.Members() {
		if key == "#" && value.Kind() == canon.String {
			soul = strings.Clone(value.Text())
		} else {
			others++
		}
	}
	return soul, soul != "" && others == 0
}

// text is the value of a key that holds a string, decoded.
func (n *node) text(key string) string {
	if n == nil {
		return ""
	}
	i, ok := n.place[key]
	if !ok {
		return ""
	}
	v, err := canon.Parse([]byte(n.members[i].text))
	if err != nil {
		return ""
	}
	return v.Text()
}

// appendNode appends members as one JSON object.
func appendNode(dst []byte, members []member) []byte {
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = canon.AppendString(dst, m.key)
		dst = append(dst, ':')
		dst = append(dst, m.text...)
	}
	return append(dst, '}')
}
