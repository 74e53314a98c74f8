package event

// Grid is what a kWh of the run's electricity emits and costs. Amounts are of the
// facility: joules times PUE.
type Grid struct {
	Country  string   `json:"country,omitempty"` // ISO code
	Name     string   `json:"country_name,omitempty"`
	Provider string   `json:"provider,omitempty"` // cloud
	Region   string   `json:"region,omitempty"`
	Grams    *float64 `json:"g_per_kwh,omitempty"` // CO2e
	Year     int      `json:"year,omitempty"`      // of Grams
	Source   string   `json:"source,omitempty"`    // of Grams
	Price    *float64 `json:"price_per_kwh,omitempty"`
	Currency string   `json:"currency,omitempty"`
	PUE      float64  `json:"pue"`
	Text     string   `json:"text"` // all of it in a few words
}

// Emitted and Cost are what an amount of energy comes to, in g CO2e and in Currency;
// nil where it or the rate is unknown.
func (g *Grid) Emitted(j Joules) *float64 {
	if g == nil {
		return nil
	}
	return g.amount(j, g.Grams)
}

// Cost is in Currency.
func (g *Grid) Cost(j Joules) *float64 {
	if g == nil {
		return nil
	}
	return g.amount(j, g.Price)
}

func (g *Grid) amount(j Joules, rate *float64) *float64 {
	if j.UJ == nil || rate == nil {
		return nil
	}
	v := float64(*j.UJ) / 3.6e12 * max(1, g.PUE) * *rate
	return &v
}
