package main

// kitchen publishes ingredients, what is cooked of them, and when it is eaten.
func (b *book) kitchen(c content) {
	for i, in := range c.Ingredients {
		height := slot(0.01, 0.04, i, len(c.Ingredients), in.Name)
		b.record("kofi", "nutritionalInfo", in.Name, height,
			basic(in.Name, "Nutritional values of "+in.Name+" per "+in.Per+".", height, in.Tags...), b.nutrition(in))
	}
	for i, r := range c.Recipes {
		b.recipe(r, slot(0.04, 0.3, i, len(c.Recipes), r.Name))
	}
	for _, m := range c.Training.Meals {
		b.meal(m)
	}
}

func (b *book) nutrition(in ingredient) part {
	per, err := parsePortion(in.Per + "; " + in.Name)
	if err != nil {
		b.fail(err)
	}
	fields := map[string]any{
		"standardAmount": per.amount, "standardUnit": per.unit, "calories": in.Calories, "proteinG": in.Protein,
		"fatG": in.Fat, "cholesterolMg": in.Cholesterol, "sodiumMg": in.Sodium, "carbohydratesG": in.Carbs,
	}
	if in.Count > 0 {
		fields["qtyInStandardAmount"] = in.Count
	}
	if in.Fibre > 0 {
		fields["dietaryFiberG"] = in.Fibre
	}
	return part{"nutritionalInfo", fields}
}

func (b *book) recipe(r recipe, height int64) {
	list := b.portions("nutritionalInfo", r.Ingredients)
	height = max(height, list.height)
	b.record("mara", "recipe", r.Name, height, basic(r.Name, r.Description, height, r.Tags...),
		part{"recipe", map[string]any{
			"prep_time_mins": r.Times[0], "cook_time_mins": r.Times[1], "total_time_mins": r.Times[0] + r.Times[1],
			"servings": r.Servings, "cuisine": r.Cuisine, "course": r.Course, "instructions": r.Instructions,
			"ingredient": list.dids, "ingredient_amount": list.amounts, "ingredient_unit": list.units, "ingredient_comment": list.comments,
		}})
}

// list is what recipes and workouts hold: four lists side by side.
type list struct {
	dids            []string
	amounts         []float64
	units, comments []string
	height          int64 // from which on all of them are there
}

func (b *book) portions(recordType string, texts []string) list {
	var l list
	for _, text := range texts {
		p, err := parsePortion(text)
		if err != nil {
			b.fail(err)
		}
		did, height := b.find(recordType, p.name)
		l.dids = append(l.dids, did...)
		l.amounts = append(l.amounts, p.amount)
		l.units = append(l.units, p.unit)
		l.comments = append(l.comments, p.comment)
		l.height = max(l.height, height)
	}
	return l
}

func (b *book) meal(m meal) {
	height, date := b.before(m.Date, 3)
	fields := map[string]any{"meal_date": date.Unix()}
	for field, names := range map[string][]string{"breakfast": m.Breakfast, "lunch": m.Lunch, "dinner": m.Dinner, "snacks": m.Snacks} {
		dids, ready := b.find("recipe", names...)
		fields[field], height = dids, max(height, ready)
	}
	name := "Meals for " + date.Format("Monday, 2 January")
	b.record("kofi", "mealPlan", name, height, basic(name, "What the kitchen serves that day.", height, "menu"), part{"mealPlan", fields})
}
