// Package dashboards builds the dashboards of Grafana. Its tests write them as JSON into
// its folder, from where Grafana is provisioned:
//
//	go test ./deploy/observability/dashboards -update
package dashboards

import (
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// Units of Grafana.
const (
	number  = "short"
	seconds = "s"
	date    = "dateTimeAsIso"
	share   = "percentunit"
	roubles = "currencyRUB"
	perSec  = "cps"
)

// query is an expression of PromQL and how its series are named.
type query struct{ expr, legend string }

// panel is one panel: a figure that is red from limit on, or a graph.
type panel struct {
	title, text, unit string
	queries           []query
	graph             bool
	limit             float64 // of a figure: 0 is never red
	below             bool    // the figure is red below limit
}

// row is a heading with panels.
type row struct {
	title  string
	panels []panel
}

// page is one dashboard.
type page struct {
	uid, title, from string
	rows             []row
}

func figure(title, unit, expr string) panel {
	return panel{title: title, unit: unit, queries: []query{{expr, ""}}}
}

// alarm is a figure that should be 0.
func alarm(title, expr string) panel { return figure(title, number, expr).redFrom(1) }

func graph(title, unit string, queries ...query) panel {
	return panel{title: title, unit: unit, queries: queries, graph: true}
}

func (p panel) redFrom(limit float64) panel {
	p.limit = limit
	return p
}

func (p panel) redBelow(limit float64) panel {
	p.limit, p.below = limit, true
	return p
}

func (p panel) means(text string) panel {
	p.text = text
	return p
}

// source is the Prometheus that the reader chooses.
var source = common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}

func (p panel) targets() (targets []cog.Builder[variants.Dataquery]) {
	for i, q := range p.queries {
		targets = append(targets, prometheus.NewDataqueryBuilder().Datasource(source).Expr(q.expr).LegendFormat(q.legend).RefId(string(rune('A'+i))))
	}
	return targets
}

const (
	figureHeight, figureWidth = 4, 4
	graphHeight, graphWidth   = 8, 12
)

func (p panel) build(id uint32) cog.Builder[dashboard.Panel] {
	if p.graph {
		return timeseries.NewPanelBuilder().Id(id).Title(p.title).Description(p.text).Unit(p.unit).Min(0).Datasource(source).Targets(p.targets()).
			Height(graphHeight).Span(graphWidth)
	}
	steps := []dashboard.Threshold{{Color: "green"}}
	switch {
	case p.below:
		steps = []dashboard.Threshold{{Color: "red"}, {Color: "green", Value: &p.limit}}
	case p.limit != 0:
		steps = append(steps, dashboard.Threshold{Color: "red", Value: &p.limit})
	}
	return stat.NewPanelBuilder().Id(id).Title(p.title).Description(p.text).Unit(p.unit).Datasource(source).Targets(p.targets()).
		Thresholds(dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).Orientation(common.VizOrientationAuto).
		GraphMode(common.BigValueGraphModeNone).Height(figureHeight).Span(figureWidth)
}

// json is the dashboard as Grafana imports it.
func (p page) json() ([]byte, error) {
	//nolint:staticcheck // every Grafana imports this form, and only the newest ones the form that replaces it
	b := dashboard.NewDashboardBuilder(p.title).Uid(p.uid).Tags([]string{"referral"}).Time(p.from, "now").Refresh("1m").Timezone("Europe/Moscow").
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Type("prometheus"))
	id := uint32(0)
	for _, r := range p.rows {
		id++
		b = b.WithRow(dashboard.NewRowBuilder(r.title).Id(id))
		for _, panel := range r.panels {
			id++
			b = b.WithPanel(panel.build(id))
		}
	}
	built, err := b.Build()
	if err != nil {
		return nil, fmt.Errorf("build the dashboard %s: %w", p.uid, err)
	}
	text, err := json.MarshalIndent(built, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the dashboard %s: %w", p.uid, err)
	}
	return append(text, '\n'), nil
}
