package config

import (
	"slices"
	"strings"
)

// Lookup finds a variable by name, as os.LookupEnv does.
type Lookup func(name string) (value string, ok bool)

// Load reads every variable of the table once. An empty value is the same as
// none, and then the default holds. When anything is wrong the error is an
// *Error that lists every fault, in the order of the table and then those that
// take two variables, and the Config is the zero value. needed names variables
// without a default that the program cannot do without.
func Load(lookup Lookup, needed ...string) (Config, error) {
	var c Config
	var faults []Fault
	given := make(map[string]string)
	for _, v := range table(&c) {
		name, text, k := v.read(lookup, given)
		if text == "" {
			if slices.Contains(needed, v.name) {
				faults = append(faults, Fault{Variable: name, Allowed: k.allowed + "; this program cannot do without it"})
			}
			continue
		}
		if rejected := k.set(text); rejected != "" {
			if v.secret {
				rejected = redacted
			}
			values := []string{rejected}
			if k.list {
				values = strings.Split(rejected, between)
			}
			for _, value := range values {
				faults = append(faults, Fault{Variable: name, Value: clip(value), Allowed: k.allowed})
			}
		}
	}
	faults = append(faults, c.relate(given, faults)...)
	if len(faults) > 0 {
		return Config{}, &Error{Faults: faults}
	}
	return c, nil
}

// LoadEnviron is Load over "NAME=value" lines, as os.Environ gives them. It
// knows all names and so adds a hint for each that looks like a misspelt one.
func LoadEnviron(environ []string, needed ...string) (Config, error) {
	values := make(map[string]string, len(environ))
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok {
			values[name] = value
		}
	}
	c, err := Load(func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}, needed...)
	if err != nil {
		return Config{}, err
	}
	c.Hints = append(c.Hints, misspelt(values)...)
	return c, nil
}
