package main

import (
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// lessBetter are the survey questions whose lowest means are the best ones.
var lessBetter = []string{
	"Percent of adults aged 18 years and older who have an overweight classification",
	"Percent of adults aged 18 years and older who have obesity",
	"Percent of adults who engage in no leisure-time physical activity",
	"Percent of adults who report consuming fruit less than one time daily",
	"Percent of adults who report consuming vegetables less than one time daily",
}

// moreBetter are those whose highest means are the best ones.
var moreBetter = []string{
	"Percent of adults who achieve at least 150 minutes a week of moderate-intensity aerobic physical activity or 75 minutes a week of vigorous-intensity aerobic activity (or an equivalent combination)",
	"Percent of adults who achieve at least 150 minutes a week of moderate-intensity aerobic physical activity or 75 minutes a week of vigorous-intensity aerobic physical activity and engage in muscle-strengthening activities on 2 or more days a week",
	"Percent of adults who achieve at least 300 minutes a week of moderate-intensity aerobic physical activity or 150 minutes a week of vigorous-intensity aerobic activity (or an equivalent combination)",
	"Percent of adults who engage in muscle-strengthening activities on 2 or more days a week",
}

// best says which end of the means is the good one.
var best = &sdk.ChoiceParam{
	Name: "best", Title: "Which end is best",
	Description: "Left out, it is as the survey question has it: lowest for obesity, for one. Of a question that the plugin does not know it has to be said.",
	Choices:     []string{"highest", "lowest"},
}

// lessIsBetter reports which end of the means is the good one. Where nobody says so
// and the survey question is in neither list it is an error: to guess would call the
// worst the best.
func lessIsBetter(job *sdk.Job) (bool, error) {
	if choice, given := best.Get(job); given {
		return best.Choices[choice] == "lowest", nil
	}
	code, _ := survey.Get(job)
	text := question.Text(job, code)
	switch {
	case slices.Contains(lessBetter, text):
		return true, nil
	case slices.Contains(moreBetter, text):
		return false, nil
	default:
		return false, sdk.BadParam(best, `it is not known whether less or more is better for "`+text+`"; say best: highest or lowest`)
	}
}
