package template

import (
	"reflect"
	"slices"
	"testing"

	"oipnode/shared/assembly"
	"oipnode/shared/config"
)

// TestSettings: whatever changes how a function works is in its environment. A variable
// that only another function got would be the default here, and what the local node does
// with it, this function would not.
func TestSettings(t *testing.T) {
	// One of these is a value of each variable that is not its default.
	values := []string{"3", "2048", "2000", "true", "false", "90s", "2m", "another", "oip:another", "http://another.example/gun",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
	for name, made := range map[string]func(config.Config) any{
		"gunsync": func(c config.Config) any { return assembly.Syncing(c, nil, nil) },
		"keepdb":  func(c config.Config) any { return assembly.Indexing(c, nil, nil, nil) },
	} {
		functions := load(t).Functions()
		i := slices.IndexFunc(functions, func(f Function) bool { return f.Name == name })
		if i < 0 {
			t.Fatalf("there is no function %s", name)
		}
		preset, err := loaded("", nil)
		if err != nil || !reflect.DeepEqual(made(preset), made(preset)) {
			t.Fatalf("the settings of %s cannot be compared: %v", name, err)
		}
		used := 0
		for _, variable := range known() {
			changes := func(value string) bool {
				c, err := loaded(variable, value)
				return err == nil && !reflect.DeepEqual(made(c), made(preset))
			}
			if !slices.ContainsFunc(values, changes) {
				continue
			}
			used++
			if functions[i].Environment[variable] == nil {
				t.Errorf("%s depends on %s and does not get it", name, variable)
			}
		}
		if used < 8 {
			t.Errorf("%s depends on %d variables only", name, used)
		}
	}
}
