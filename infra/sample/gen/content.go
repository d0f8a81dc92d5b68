package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

//go:embed content/*.json
var contentFiles embed.FS

// content is everything that is said on the sample chain, in the order in which it
// is published. Records refer to one another by name.
type content struct {
	Templates   []template
	People      people
	Ingredients []ingredient
	Recipes     []recipe
	Training    training
	Media       media
	Posts       []post
	Later       later
}

// template is a definition. A later one has the name of an earlier one and is
// published when some records of the earlier one are there.
type template struct {
	Name       string          `json:"name"`
	Later      bool            `json:"later"`
	Definition json.RawMessage `json:"definition"`
}

type people struct {
	Creators     []person     `json:"creators"`
	Organization organization `json:"organization"`
	Providers    []provider   `json:"providers"`
}

type person struct {
	Handle      string `json:"handle"`
	Surname     string `json:"surname"`
	Name        string `json:"name"`
	Description string `json:"description"`
	X           string `json:"x"`
	Instagram   string `json:"instagram"`
	YouTube     string `json:"youtube"`
}

type organization struct {
	Handle      string `json:"handle"`
	Name        string `json:"name"`
	Description string `json:"description"`
	WebURL      string `json:"webUrl"`
}

type provider struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Type        int      `json:"type"`
	Endpoint    string   `json:"endpoint"`
	Models      []string `json:"models"`
}

// ingredient has its values per an amount of a weight or a volume; Count says how
// many pieces that is, for what is counted.
type ingredient struct {
	Name        string   `json:"name"`
	Per         string   `json:"per"`
	Count       float64  `json:"count"`
	Calories    float64  `json:"kcal"`
	Protein     float64  `json:"protein"`
	Fat         float64  `json:"fat"`
	Carbs       float64  `json:"carbs"`
	Cholesterol float64  `json:"cholesterol"`
	Sodium      float64  `json:"sodium"`
	Fibre       float64  `json:"fibre"`
	Tags        []string `json:"tags"`
}

// recipe has its ingredients, and workout its exercises, as "amount unit; name;
// comment", the comment optional.
type recipe struct {
	Name         string   `json:"name"`
	Description  string   `json:"description"`
	Cuisine      string   `json:"cuisine"`
	Course       string   `json:"course"`
	Times        [2]int   `json:"times"` // preparing and cooking, in minutes
	Servings     int      `json:"servings"`
	Ingredients  []string `json:"ingredients"`
	Instructions string   `json:"instructions"`
	Tags         []string `json:"tags"`
}

type training struct {
	Equipment []struct{ Name, Description string } `json:"equipment"`
	Exercises []exercise                           `json:"exercises"`
	Workouts  []workout                            `json:"workouts"`
	Schedules []schedule                           `json:"schedules"`
	Meals     []meal                               `json:"meals"`
}

type exercise struct {
	Name         string   `json:"name"`
	Type         int      `json:"type"`
	Level        int      `json:"level"`
	Muscles      []string `json:"muscles"`
	Equipment    []string `json:"equipment"`
	Instructions string   `json:"instructions"`
}

type workout struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Minutes     int      `json:"minutes"`
	Calories    int      `json:"kcal"`
	Goal        string   `json:"goal"`
	Exercises   []string `json:"exercises"`
}

type schedule struct {
	Date     string `json:"date"` // YYYY-MM-DD
	Hour     int    `json:"hour"` // UTC
	Workout  string `json:"workout"`
	Location string `json:"location"`
}

type meal struct {
	Date      string   `json:"date"`
	Breakfast []string `json:"breakfast"`
	Lunch     []string `json:"lunch"`
	Dinner    []string `json:"dinner"`
	Snacks    []string `json:"snacks"`
}

type media struct {
	Images []image                       `json:"images"`
	Audio  []audio                       `json:"audio"`
	Texts  []struct{ Name, Text string } `json:"texts"`
}

type image struct {
	Name   string   `json:"name"`
	File   string   `json:"file"`
	Width  int      `json:"width"`
	Height int      `json:"height"`
	Size   int      `json:"size"` // bytes
	Tags   []string `json:"tags"`
}

type audio struct {
	Name    string   `json:"name"`
	File    string   `json:"file"`
	Seconds int      `json:"seconds"`
	Codec   int      `json:"codec"` // of the audio template's list
	Size    int      `json:"size"`
	Tags    []string `json:"tags"`
}

type post struct {
	By          string   `json:"by"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Images      []string `json:"images"`
	Audio       []string `json:"audio"`
	Text        string   `json:"text"`
	Reply       string   `json:"reply"`
	Tags        []string `json:"tags"`
}

// later is what is out of the ordinary; see sample.Manifest.
type later struct {
	Noor       []post `json:"noor"`
	Restricted []struct {
		By          string   `json:"by"`
		Level       int      `json:"level"` // of the accessControl template's list
		With        []string `json:"with"`
		Name        string   `json:"name"`
		Description string   `json:"description"`
	} `json:"restricted"`
	Session struct {
		By, Name, Model string
		Messages        []string
	} `json:"session"`
	Withdrawn post `json:"withdrawn"`
	Forged    struct {
		As string `json:"as"`
		post
	} `json:"forged"`
	Tampered struct {
		post
		Changed string `json:"changed"`
	} `json:"tampered"`
	Unauthorized struct{ By, Target string } `json:"unauthorized"`
}

// readContent reads the folder content. A name that the structs do not know is a
// spelling mistake, and an error.
func readContent() (content, error) {
	var c content
	for name, v := range map[string]any{
		"templates": &c.Templates, "people": &c.People, "ingredients": &c.Ingredients, "recipes": &c.Recipes,
		"training": &c.Training, "media": &c.Media, "posts": &c.Posts, "later": &c.Later,
	} {
		text, err := contentFiles.ReadFile("content/" + name + ".json")
		if err != nil {
			return content{}, err
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(v); err != nil {
			return content{}, fmt.Errorf("content/%s.json: %w", name, err)
		}
	}
	return c, nil
}

// portion is "2 tbsp; Olive oil; extra virgin" in its parts.
type portion struct {
	amount              float64
	unit, name, comment string
}

func parsePortion(text string) (portion, error) {
	parts := strings.SplitN(text, ";", 3)
	if len(parts) < 2 {
		return portion{}, fmt.Errorf("portion %q has no name", text)
	}
	amount, unit, _ := strings.Cut(strings.TrimSpace(parts[0]), " ")
	p := portion{unit: unit, name: strings.TrimSpace(parts[1])}
	if len(parts) == 3 {
		p.comment = strings.TrimSpace(parts[2])
	}
	var err error
	if p.amount, err = strconv.ParseFloat(amount, 64); err != nil || p.unit == "" || p.name == "" {
		return portion{}, fmt.Errorf("portion %q is not like \"2 tbsp; Olive oil\"", text)
	}
	return p, nil
}
