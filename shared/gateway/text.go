package gateway

import (
	"errors"

	"oipnode/shared/oip/canon"
)

// text is a JSON string decoded as JavaScript would: tag values are what was
// signed, and encoding/json replaces the lone surrogates that they may hold.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	v, err := canon.Parse(raw)
	if err != nil {
		return err
	}
	if v.Kind() != canon.String {
		return errors.New("a tag's name and value must be strings")
	}
	*t = text(v.Text())
	return nil
}
