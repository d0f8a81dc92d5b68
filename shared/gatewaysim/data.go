package gatewaysim

import (
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"oipnode/shared/upstream"
)

// serveInfo answers the node's status. Its height is the chain's tip.
func (s *Server) serveInfo(w http.ResponseWriter, r *http.Request) {
	s.info.Add(1)
	tip, step, _ := s.chain.clocks()
	d := s.opts.Faults.draw(upstream.Hash("info"), step)
	if s.misbehave(w, r, d, true) {
		return
	}
	body := fmt.Sprintf(`{"network":"arweave.N.1","version":5,"release":80,"height":%s,"current":%q,"blocks":%d,"peers":64,"queue_length":0,"node_state_latency":1}`,
		d.height(tip), s.chain.blockIDAt(tip), tip+1)
	s.send(w, r, d, http.StatusOK, "application/json", []byte(body))
}

// serveRaw answers the exact bytes of an item.
func (s *Server) serveRaw(w http.ResponseWriter, r *http.Request) {
	if s.opts.NoRaw {
		s.countRead(r.PathValue("id"))
		http.NotFound(w, r)
		return
	}
	s.serveItem(w, r)
}

// serveID answers the bytes of an item, after a redirect to its sandbox where
// the gateway does that.
func (s *Server) serveID(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if s.opts.RedirectSandbox && validID(id) && r.PathValue("sandbox") == "" {
		box := sandbox(id)
		if !strings.HasPrefix(r.Host, box+".") {
			s.countRead(id)
			target := "http://" + box + "." + r.Host + "/" + id
			if hostIsIP(r.Host) {
				target = "http://" + r.Host + "/sandbox/" + box + "/" + id
			}
			http.Redirect(w, r, target, http.StatusFound)
			return
		}
	}
	s.serveItem(w, r)
}

// sandbox is the label that gateways give an id: base32, lower case.
func sandbox(id string) string {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return ""
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))
}

func (s *Server) serveItem(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s.countRead(id)
	d := s.opts.Faults.draw(upstream.Hash(id), s.chain.Now())
	if s.misbehave(w, r, d, false) || s.withhold(w, r, d) {
		return
	}
	e := s.chain.lookup(id)
	switch {
	case e == nil || e.Bundled && !s.opts.IndexesBundles:
		http.NotFound(w, r)
		return
	case e.Height == 0:
		s.send(w, r, d, http.StatusAccepted, "text/plain; charset=utf-8", []byte("Pending"))
		return
	}
	if enc := e.tag("Content-Encoding"); enc != "" {
		w.Header().Set("Content-Encoding", enc)
	}
	body, cut := d.spoil(e.Data)
	if cut {
		s.sendCut(w, r, contentType(e), e.Data)
		return
	}
	s.send(w, r, d, http.StatusOK, contentType(e), body)
}

// tag is the value of the first tag of that name, "" without one.
func (e *entry) tag(name string) string {
	for _, t := range e.Tags {
		if t.Name == name {
			return t.Value
		}
	}
	return ""
}

func contentType(e *entry) string {
	if t := e.tag("Content-Type"); t != "" {
		return t
	}
	return "application/octet-stream"
}

// send writes a whole response with its length, slowly if the draw says so.
func (s *Server) send(w http.ResponseWriter, r *http.Request, d draw, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	// A write fails when the client has gone, which is no concern of ours.
	if !d.hits(SlowBody) {
		_, _ = w.Write(body)
		return
	}
	for part := range slices.Chunk(body, max(1, (len(body)+dribbles-1)/dribbles)) {
		if !d.dribble(r.Context()) {
			return
		}
		_, _ = w.Write(part)
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	}
}

// sendCut promises the whole body, delivers half, and cuts the connection.
func (s *Server) sendCut(w http.ResponseWriter, r *http.Request, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body[:len(body)/2])
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	}
	panic(http.ErrAbortHandler)
}
