package main

import (
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// lessBetter are the survey questions whose lowest means are the best.
var lessBetter = []string{
	"Percent of adults aged 18 years and older who have an overweight classification",
	"Percent of adults aged 18 years and older who have obesity",
	"Percent of adults who engage in no leisure-time physical activity",
	"Percent of adults who report consuming fruit less than one time daily",
	"Percent of adults who report consuming vegetables less than one time daily",
}

// moreBetter are those whose highest means are the best.
var moreBetter = []string{
	"Percent of adults who achieve at least 150 minutes a week of moderate-intensity aerobic physical activity or 75 minutes a week of vigorous-intensity aerobic activity (or an equivalent combination)",
	"Percent of adults who achieve at least 150 minutes a week of moderate-intensity aerobic physical activity or 75 minutes a week of vigorous-intensity aerobic physical activity and engage in muscle-strengthening activities on 2 or more days a week",
	"Percent of adults who achieve at least 300 minutes a week of moderate-intensity aerobic physical activity or 150 minutes a week of vigorous-intensity aerobic activity (or an equivalent combination)",
	"Percent of adults who engage in muscle-strengthening activities on 2 or more days a week",
}

// best says which end of the means is the best.
var best = &sdk.ChoiceParam{
	Name: "best", Title: "Which end is best",
	Description: "By default it depends on the survey question: lowest for obesity, for example. It is required for a survey question that the plugin does not know.",
	Choices:     []string{"highest", "lowest"},
}

// lessIsBetter reports which end of the means is the best. It is an error if the
// parameter is missing and the survey question is in neither list: a guess could call the
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
		return false, sdk.BadParam(best, `whether less or more is better is not known for "`+text+`"; pass best: highest or lowest`)
	}
}
