package main

import (
	"time"

	"oipnode/infra/sample"
)

// oldExercises is how many exercises are published with the first exercise
// template, before a second one of the same name replaces it.
const oldExercises = 10

// gym publishes equipment, exercises, workouts and when they take place.
func (b *book) gym(c content, m *sample.Manifest) {
	t := c.Training
	for i, e := range t.Equipment {
		height := slot(0.01, 0.02, i, len(t.Equipment), e.Name)
		b.record("tobias", "equipment", e.Name, height, basic(e.Name, e.Description, height, "equipment"))
	}
	m.Templates[0] = b.templates["exercise"].id
	for i, e := range t.Exercises {
		height := slot(0.02, 0.2, i, len(t.Exercises), e.Name)
		if i == oldExercises {
			m.Templates[1] = b.defineLater("mara", "exercise", height-20, c.Templates).id
		}
		b.exercise(e, height)
	}
	for i, w := range t.Workouts {
		b.workout(w, slot(0.15, 0.26, i, len(t.Workouts), w.Name))
	}
	for _, s := range t.Schedules {
		b.schedule(s)
	}
}

// exercise lists its equipment by name; under the second template also by
// reference, where we have it.
func (b *book) exercise(e exercise, height int64) {
	fields := map[string]any{
		"exercise_type": e.Type, "difficulty": e.Level, "muscleGroups": e.Muscles,
		"equipmentRequired": e.Equipment, "instructions": e.Instructions,
	}
	if _, ok := b.templates["exercise"].index["equipment"]; ok {
		var ours []string
		for _, name := range e.Equipment {
			if p, ok := b.known["equipment/"+name]; ok {
				ours = append(ours, p.did())
			}
		}
		fields["equipment"], fields["isBodyweight"] = ours, len(e.Equipment) == 0
	}
	b.record("tobias", "exercise", e.Name, height, basic(e.Name, e.Instructions, height, e.Muscles...), part{"exercise", fields})
}

func (b *book) workout(w workout, height int64) {
	l := b.portions("exercise", w.Exercises)
	height = max(height, l.height)
	b.record("tobias", "workout", w.Name, height, basic(w.Name, w.Description, height, w.Goal),
		part{"workout", map[string]any{
			"exercise": l.dids, "exercise_amount": l.amounts, "exercise_unit": l.units, "exercise_comment": l.comments,
			"total_duration_minutes": w.Minutes, "estimated_calories_burned": w.Calories, "goal": w.Goal,
		}})
}

func (b *book) schedule(s schedule) {
	height, date := b.before(s.Date, 4)
	dids, ready := b.find("workout", s.Workout)
	height = max(height, ready)
	at := date.Add(time.Duration(s.Hour) * time.Hour)
	name := s.Workout + ", " + at.Format("2 January")
	b.record("tobias", "workoutSchedule", name, height, basic(name, "Everybody is welcome.", height, "training"),
		part{"workoutSchedule", map[string]any{"scheduled_date": at.Unix(), "workout": dids, "location": s.Location}})
}
