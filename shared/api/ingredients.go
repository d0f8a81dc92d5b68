package api

import (
	"slices"
	"strings"
	"unicode"

	"oipnode/shared/nutrition"
	"oipnode/shared/oip/canon"
	"oipnode/shared/records"
)

// frontWords are those that a comment on an ingredient has in front of its name.
var frontWords = []string{"ground", "virgin", "boneless", "skinless"}

// withComment is an ingredient with a comment on it, as one reads it: "garlic, minced",
// but "ground cumin". Each part of a comment has its own place, and what the name says
// already is not said again: of "boneless, skinless, diced" it makes "boneless, skinless
// chicken breast, diced".
func withComment(name, comment string) string {
	var front, behind []string
	known := make(map[string]bool) // a name may be as long as a comment, and neither has a bound of its own
	for _, w := range wordsOf(name) {
		known[w] = true
	}
	for part := range strings.SplitSeq(comment, ", ") { // a comma without a space may be in a number
		part = strings.Trim(part, ", ")
		words := wordsOf(part)
		first := slices.IndexFunc(frontWords, func(w string) bool { return slices.Contains(words, w) })
		switch {
		case part == "":
		case first < 0:
			behind = append(behind, part)
		case !slices.ContainsFunc(words, func(w string) bool { return !known[w] }):
		case known[frontWords[first]]:
			behind = append(behind, part)
		case frontWords[first] == "virgin":
			oil, rest := splitVirgin(part)
			front = append(front, oil)
			if rest != "" {
				behind = append(behind, rest)
			}
		default:
			front = append(front, part)
		}
	}
	if len(front) > 0 {
		name = strings.Join(front, ", ") + " " + name
	}
	if len(behind) > 0 {
		name += ", " + strings.Join(behind, ", ")
	}
	return name
}

// splitVirgin splits "extra virgin divided" into what an oil is and what becomes of it.
func splitVirgin(part string) (oil, rest string) {
	words := strings.Fields(part)
	n := 1 + slices.IndexFunc(words, func(w string) bool { return slices.Contains(wordsOf(w), "virgin") })
	return strings.Join(words[:n], " "), strings.Join(words[n:], " ")
}

// wordsOf are the words of a text in lower case.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
}

// commentsOf are the comments on the ingredients of a recipe, by the positions that the
// ingredients have with nulls or without. There are none in other records, and in a recipe
// with more than nutrition.MaxIngredients.
func commentsOf(stored []byte, hideNulls bool) ([]string, error) {
	data, _, err := records.Parts(stored)
	if err != nil {
		return nil, err
	}
	v, err := canon.Parse(data)
	if err != nil {
		return nil, err
	}
	recipe, _ := v.Get("recipe")
	ingredients, _ := recipe.Get("ingredient")
	list, _ := recipe.Get("ingredient_comment")
	var comments []string
	for comment := range list.Elements() {
		if len(comments) == nutrition.MaxIngredients {
			break
		}
		comments = append(comments, strings.TrimSpace(comment.Text()))
	}
	var shown []string
	n := 0
	for ingredient := range ingredients.Elements() {
		if n == nutrition.MaxIngredients {
			return nil, nil
		}
		if n < len(comments) && !(hideNulls && ingredient.Kind() == canon.Null) {
			shown = append(shown, comments[n])
		}
		n++
	}
	return shown, nil
}
