package api

import (
	"net/http"

	"oipnode/shared/errs"
	"oipnode/shared/library"
	"oipnode/shared/openapi"
)

// mediumID is the {id} of the paths of media.
func mediumID() []given {
	return []given{{"id", openapi.Matching("^[0-9a-f]{64}$"), "the mediaId: the SHA-256 of the content"}}
}

// mediumErrors are the errors of a call about one medium.
var mediumErrors = kinds(errs.Unauthorized, errs.Forbidden, errs.NotFound)

func aboutMediaList(s *openapi.Schemas) about {
	return about{
		id: "getMedia", group: groupMedia, summary: "List one's media", caller: users,
		text:    "The newest first.",
		params:  new(mediaListRequest).params(),
		answers: []told{{status: http.StatusOK, doc: "A part of the list.", schema: s.Of(mediaListAnswer{})}},
		errors:  kinds(errs.Invalid, errs.Unauthorized, errs.NotFound, errs.TooLarge),
		curl:    "'" + address + `/api/media?limit=5' -H "Authorization: Bearer $TOKEN"`,
	}
}

func aboutMediaFetch(s *openapi.Schemas) about {
	level := openapi.Words("", library.Private, library.Public)
	body := openapi.Open(nil,
		openapi.With("url", openapi.Text(library.MaxSource).About("an http or https URL, or ar:// and the id of a transaction")),
		openapi.With("did", openapi.Either(didSchema(), openapi.Only("")).About("a record whose media are wanted; instead of url")),
		openapi.With("accessLevel", level.About("who may read it: private unless it is public; with did, the record says it")))
	return about{
		id: "fetchMedia", group: groupMedia, summary: "Have a file fetched into the media store", caller: users,
		text:    "The file is read once and stored under the hash of its content. The answer comes at once and names a job.",
		body:    &content{required: true, schema: body, example: `{"url":"https://example.com/picture.png"}`},
		answers: []told{{status: http.StatusAccepted, doc: "The job.", schema: s.Of(fetchAnswer{}), next: []next{{"getMediaJob", "id", "jobId"}}}},
		errors:  kinds(errs.Invalid, errs.Unauthorized, errs.NotFound, errs.TooLarge, errs.TooMany),
		curl:    "-X POST '" + address + `/api/media/fetch' -H "Authorization: Bearer $TOKEN" -d '{"url":"https://example.com/picture.png"}'`,
	}
}

func aboutMediaJob(s *openapi.Schemas) about {
	return about{
		id: "getMediaJob", group: groupMedia, summary: "See what became of a fetch", caller: users,
		text:    "Only its owner is told.",
		inPath:  []given{{"id", openapi.Matching("^[0-9a-f]{32}$"), "the jobId"}},
		answers: []told{{status: http.StatusOK, doc: "The job.", schema: s.Of(library.Job{})}},
		errors:  kinds(errs.Unauthorized, errs.NotFound),
		curl:    "'" + address + `/api/media/jobs/0123456789abcdef0123456789abcdef' -H "Authorization: Bearer $TOKEN"`,
	}
}

func aboutMediaBytes(*openapi.Schemas) about {
	return about{
		id: "getMediaContent", group: groupMedia, summary: "Read a file", inPath: mediumID(),
		text: "Ranges work. Where the media store is S3, the answer is a redirect to a signed URL.",
		inHeader: []given{
			{"Range", openapi.Text(0), "a part of the file, such as bytes=0-1023"}, ifNoneMatch,
			{"If-Match", openapi.Text(0), "the ETag that the file must have"},
			{"If-Range", openapi.Text(0), "the ETag that the file must have for Range to count"},
		},
		answers: []told{
			{status: http.StatusOK, doc: "The whole file, of its own media type.", media: "*/*", headers: []string{"ETag", "Accept-Ranges"}},
			{status: http.StatusPartialContent, doc: "A part of it.", media: "*/*", headers: []string{"ETag", "Accept-Ranges", "Content-Range"}},
			{status: http.StatusFound, doc: "Where it can be read for a while.", media: noMedia, headers: []string{"Location"}},
			{status: http.StatusNotModified, doc: "What If-None-Match names still holds.", media: noMedia, headers: []string{"ETag"}},
			{status: http.StatusPreconditionFailed, doc: "If-Match names another file.", media: noMedia, headers: []string{"ETag"}},
		},
		errors: kinds(errs.Unauthorized, errs.Forbidden, errs.NotFound, errs.Unsatisfiable, errs.TooMany),
		curl:   "-o picture.png '" + address + `/api/media/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' -H "Authorization: Bearer $TOKEN"`,
	}
}

func aboutMediaInfo(s *openapi.Schemas) about {
	return about{
		id: "getMediaInfo", path: "/api/media/{id}/info", group: groupMedia, summary: "Look at a file's manifest", inPath: mediumID(),
		text:    "Its name, type and size, where it came from, and who may read it.",
		answers: []told{{status: http.StatusOK, doc: "The manifest.", schema: s.Of(library.Manifest{})}},
		errors:  mediumErrors,
		curl:    "'" + address + `/api/media/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/info' -H "Authorization: Bearer $TOKEN"`,
	}
}

// passedOn are the answers of a relay that are passed on as they are.
func passedOn(ok string) []told {
	any := openapi.Schema{}
	return []told{
		{status: http.StatusOK, doc: ok, schema: any},
		{status: http.StatusBadRequest, doc: "This node or the relay refuses the request.", schema: any},
		{status: http.StatusNotFound, doc: "The relay has no data.", schema: any},
		{status: http.StatusRequestEntityTooLarge, doc: "The request or the answer is too large.", schema: any},
	}
}

// relayErrors are the errors of a call that is passed on, besides the relay's.
var relayErrors = kinds(errs.BadGateway)

func aboutRelayGet(*openapi.Schemas) about {
	return about{
		id: "relayGet", group: groupRelay, summary: "Read a soul", caller: noMatter,
		text:    "Passed through to the node's own GUN relay. 503 when it has none.",
		params:  new(relayRequest).params(),
		answers: passedOn("What the relay answers."), errors: relayErrors,
		curl: "'" + address + "/gun-relay/get?soul=oip:registry'",
	}
}

func aboutRelayPut(*openapi.Schemas) about {
	return about{
		id: "relayPut", group: groupRelay, summary: "Write into GUN", caller: noMatter,
		text:    "Passed through to the node's own GUN relay. 503 when it has none.",
		body:    &content{required: true, schema: openapi.Schema{}, example: `{"soul":"example","data":{"text":"Hello"}}`},
		answers: passedOn("What the relay answers."), errors: relayErrors,
		curl: "-X POST '" + address + `/gun-relay/put' -d '{"soul":"example","data":{"text":"Hello"}}'`,
	}
}
