package expiry

import (
	"oipnode/shared/gun"
	"oipnode/shared/library"
	"oipnode/shared/memory"
	"oipnode/shared/metrics"
	"oipnode/shared/state"
	"oipnode/shared/voice"
)

// kind is a kind of row that expires.
type kind struct {
	// name is how the log calls a number of them.
	name string
	// has tells by its key whether a row is of this kind.
	has     func(state.Key) bool
	counter metrics.Counter
}

// kinds are all kinds. A row is of the first that has it; the last one has whatever no
// other has, such as leases whose holder vanished, and must stay the last.
var kinds = []kind{
	{"dialogues", part(voice.DialoguePart), metrics.DialogueExpiries},
	{"dialogueEvents", part(voice.EventPart), metrics.OtherExpiries},
	{"dialogueOwners", part(voice.OwnerPart), metrics.OtherExpiries},
	{"processedIds", gun.IsProcessed, metrics.ProcessedExpiries},
	{"mediaJobs", library.IsJob, metrics.JobExpiries},
	{"memorySamples", memory.IsReport, metrics.OtherExpiries},
	{"others", func(state.Key) bool { return true }, metrics.OtherExpiries},
}

func part(p voice.Part) func(state.Key) bool {
	return func(k state.Key) bool {
		of, _ := voice.Classify(k)
		return of == p
	}
}
