package api

import (
	"net/http"

	"oipnode/shared/errs"
	"oipnode/shared/openapi"
	"oipnode/shared/voice"
)

// dialogueID is the {id} of the paths of dialogues.
func dialogueID() []given {
	return []given{{"id", openapi.Matching("^[0-9a-f]{32}$"), "the dialogueId"}}
}

// secretGiven is the header that stands for a token.
func secretGiven() given {
	secret := openapi.Matching("^[!-~]+$")
	secret.MinLength, secret.MaxLength = voice.MinSecret, voice.MaxSecret
	return given{secretHeader, secret, "the secret that the dialogue was started with"}
}

// dialogueErrors are the errors of a call about one dialogue.
var dialogueErrors = kinds(errs.Invalid, errs.NotFound)

func aboutVoiceStart(s *openapi.Schemas) about {
	body := openapi.Open(nil, openapi.With("secret", secretGiven().schema.About("the dialogue belongs to whoever knows it")))
	return about{
		id: "startDialogue", group: groupVoice, summary: "Start a dialogue", caller: starters,
		text: "It belongs to the token's user, or to whoever knows the secret that it was started with, and is gone thirty minutes after its last activity.",
		body: &content{schema: body, example: `{}`},
		answers: []told{{status: http.StatusCreated, doc: "The dialogue, and the key of its stream, which is told only here.", schema: s.Of(voice.Started{}), next: []next{
			{"getDialogue", "id", "dialogueId"}, {"appendEvent", "id", "dialogueId"}, {"getEvents", "id", "dialogueId"}, {"endDialogue", "id", "dialogueId"},
		}}},
		errors: kinds(errs.Invalid, errs.Unauthorized, errs.NotFound, errs.TooLarge, errs.TooMany),
		curl:   "-X POST '" + address + "/api/voice/dialogues' -H 'X-Dialogue-Secret: a-secret-of-my-own' -d ''",
	}
}

func aboutVoiceGet(s *openapi.Schemas) about {
	return about{
		id: "getDialogue", group: groupVoice, summary: "Look at a dialogue", caller: talkers, inPath: dialogueID(),
		text:    "Looking is no activity.",
		answers: []told{{status: http.StatusOK, doc: "The dialogue.", schema: s.Of(voice.Dialogue{})}},
		errors:  dialogueErrors,
		curl:    "'" + address + "/api/voice/dialogues/0123456789abcdef0123456789abcdef' -H 'X-Dialogue-Secret: a-secret-of-my-own'",
	}
}

func aboutVoiceEnd(s *openapi.Schemas) about {
	return about{
		id: "endDialogue", group: groupVoice, summary: "End a dialogue", caller: talkers, inPath: dialogueID(),
		text:    "Its readers get a last event, done, and it can be read for a minute more. Ending it again is fine.",
		answers: []told{{status: http.StatusOK, doc: "The dialogue at its end.", schema: s.Of(voice.Dialogue{})}},
		errors:  kinds(errs.Invalid, errs.NotFound, errs.Conflict),
		curl:    "-X DELETE '" + address + "/api/voice/dialogues/0123456789abcdef0123456789abcdef' -H 'X-Dialogue-Secret: a-secret-of-my-own'",
	}
}

func aboutVoiceList(s *openapi.Schemas) about {
	return about{
		id: "getDialogues", group: groupVoice, summary: "List one's dialogues", caller: talkers,
		text:    "Those that go on.",
		answers: []told{{status: http.StatusOK, doc: "The dialogues.", schema: s.Of(listAnswer{})}},
		errors:  kinds(errs.Invalid, errs.Unauthorized, errs.NotFound),
		curl:    "'" + address + "/api/voice/active-dialogues' -H 'X-Dialogue-Secret: a-secret-of-my-own'",
	}
}

func aboutVoiceEvents(s *openapi.Schemas) about {
	return about{
		id: "getEvents", group: groupVoice, summary: "Read the events of a dialogue", caller: talkers, inPath: dialogueID(),
		text:    "In the order of their numbers, which begin with 1 and have no gap.",
		params:  new(eventsRequest).params(),
		answers: []told{{status: http.StatusOK, doc: "The events behind the one that was named.", schema: s.Of(eventsAnswer{})}},
		errors:  kinds(errs.Invalid, errs.NotFound, errs.TooLarge),
		curl:    "'" + address + "/api/voice/dialogues/0123456789abcdef0123456789abcdef/events?after=0' -H 'X-Dialogue-Secret: a-secret-of-my-own'",
	}
}

func aboutVoiceAppend(s *openapi.Schemas) about {
	body := openapi.Open([]string{"event"},
		openapi.With("event", openapi.Words(voice.Names()...)),
		openapi.With("data", openapi.Schema{}.About("any JSON")),
		openapi.With("number", openapi.Either(openapi.Whole(1, maxPosition), openapi.Schema{Type: openapi.Null}).About("the number that the event must get; with it, repeating the call after a lost answer is harmless")))
	return about{
		id: "appendEvent", group: groupVoice, summary: "Append an event", caller: talkers, inPath: dialogueID(),
		text:    "It counts as activity: the dialogue's end moves on.",
		body:    &content{required: true, schema: body, example: `{"event":"textChunk","data":{"text":"Hello"}}`},
		answers: []told{{status: http.StatusCreated, doc: "The event's place.", schema: s.Of(appendAnswer{})}},
		errors:  kinds(errs.Invalid, errs.NotFound, errs.Conflict, errs.TooLarge),
		curl:    "-X POST '" + address + `/api/voice/dialogues/0123456789abcdef0123456789abcdef/events' -H 'X-Dialogue-Secret: a-secret-of-my-own' -d '{"event":"textChunk","data":{"text":"Hello"}}'`,
	}
}

func aboutVoiceStream(*openapi.Schemas) about {
	position := given{"Last-Event-ID", openapi.Matching(`^(0|[1-9][0-9]{0,7})$`), "the id of the last event that was read: the stream goes on behind it"}
	event := openapi.Closed([]string{"event", "data"},
		openapi.With("event", openapi.Words(voice.Names()...)), openapi.With("data", openapi.Text(0).About("JSON")),
		openapi.With("id", openapi.Text(0).About("the event's number, for Last-Event-ID")))
	return about{
		id: "openStream", group: groupVoice, summary: "Follow a dialogue as a stream", caller: readers,
		text:     "Server-sent events: textChunk, audioChunk, done and error as they were appended, and ping in between. It ends with the dialogue. Browsers' EventSource sends no headers, so it may name the streamKey instead of a token.",
		inHeader: []given{position}, params: new(streamRequest).params(),
		answers: []told{
			{status: http.StatusOK, doc: "The stream; each event is as this says.", media: "text/event-stream", schema: event},
			{status: http.StatusNoContent, doc: "The dialogue is over, and all of its events have been read: EventSource stays away.", media: noMedia},
		},
		errors: kinds(errs.Invalid, errs.NotFound, errs.TooLarge, errs.TooMany),
		curl:   "-N '" + address + "/api/voice/open-stream?dialogueId=0123456789abcdef0123456789abcdef' -H 'X-Dialogue-Secret: a-secret-of-my-own'",
	}
}
