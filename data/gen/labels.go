//nolint:goconst // tables repeat names
package main

// This file has what the sample takes from the CDC: names, which are in the public
// domain, and no figures.

// header is the published file's, to the space at the end of one name.
var header = []string{
	"YearStart", "YearEnd", "LocationAbbr", "LocationDesc",
	"Datasource", "Class", "Topic", "Question",
	"Data_Value_Unit", "Data_Value_Type", "Data_Value", "Data_Value_Alt",
	"Data_Value_Footnote_Symbol", "Data_Value_Footnote", "Low_Confidence_Limit", "High_Confidence_Limit ",
	"Sample_Size", "Total", "Age(years)", "Education",
	"Gender", "Income", "Race/Ethnicity", "GeoLocation",
	"ClassID", "TopicID", "QuestionID", "DataValueTypeID",
	"LocationID", "StratificationCategory1", "Stratification1", "StratificationCategoryId1",
	"StratificationID1",
}

// survey is one question of the survey, and the parameters of its generated answers.
type survey struct {
	id, class, classID, topic, topicID, text string

	years  []int
	base   int // answer in tenths of a percent, in the middle
	trend  int // tenths of a percent a year
	weight int // sixteenths: how strongly need moves the answer, and which way
}

var (
	everyYear  = []int{2011, 2012, 2013, 2014, 2015, 2016, 2017, 2018, 2019, 2020, 2021, 2022, 2023}
	someYears  = []int{2011, 2013, 2015, 2017, 2019, 2023}
	threeYears = []int{2017, 2019, 2021}
)

var surveys = []survey{
	{"Q018", "Fruits and Vegetables", "FV", "Fruits and Vegetables - Behavior", "FV1",
		"Percent of adults who report consuming fruit less than one time daily",
		threeYears, 390, 4, 10},
	{"Q019", "Fruits and Vegetables", "FV", "Fruits and Vegetables - Behavior", "FV1",
		"Percent of adults who report consuming vegetables less than one time daily",
		threeYears, 210, -2, 7},
	{"Q036", "Obesity / Weight Status", "OWS", "Obesity / Weight Status", "OWS1",
		"Percent of adults aged 18 years and older who have obesity",
		everyYear, 300, 3, 16},
	{"Q037", "Obesity / Weight Status", "OWS", "Obesity / Weight Status", "OWS1",
		"Percent of adults aged 18 years and older who have an overweight classification",
		everyYear, 350, 0, 2},
	{"Q043", "Physical Activity", "PA", "Physical Activity - Behavior", "PA1",
		"Percent of adults who achieve at least 150 minutes a week of moderate-intensity aerobic physical activity or 75 minutes a week of vigorous-intensity aerobic activity (or an equivalent combination)",
		someYears, 500, 1, -12},
	{"Q044", "Physical Activity", "PA", "Physical Activity - Behavior", "PA1",
		"Percent of adults who achieve at least 150 minutes a week of moderate-intensity aerobic physical activity or 75 minutes a week of vigorous-intensity aerobic physical activity and engage in muscle-strengthening activities on 2 or more days a week",
		someYears, 210, 2, -8},
	{"Q045", "Physical Activity", "PA", "Physical Activity - Behavior", "PA1",
		"Percent of adults who achieve at least 300 minutes a week of moderate-intensity aerobic physical activity or 150 minutes a week of vigorous-intensity aerobic activity (or an equivalent combination)",
		someYears, 310, 1, -9},
	{"Q046", "Physical Activity", "PA", "Physical Activity - Behavior", "PA1",
		"Percent of adults who engage in muscle-strengthening activities on 2 or more days a week",
		someYears, 310, 4, -9},
	{"Q047", "Physical Activity", "PA", "Physical Activity - Behavior", "PA1",
		"Percent of adults who engage in no leisure-time physical activity",
		everyYear, 250, 1, 14},
}

// location is a place that the survey covers.
type location struct {
	abbr, name string
	id         int
	point      string // "" for the nation
}

// Locations that differ from the others. The nation is one of them in the CDC's file.
const (
	national      = "National"
	guam          = "Guam"
	puertoRico    = "Puerto Rico"
	virginIslands = "Virgin Islands"
)

var locations = []location{
	{"AL", "Alabama", 1, "(32.840571122, -86.631860762)"},
	{"AK", "Alaska", 2, "(64.845079957001, -147.722059036)"},
	{"AZ", "Arizona", 4, "(34.86597028, -111.763811277)"},
	{"AR", "Arkansas", 5, "(34.748650124, -92.274490743)"},
	{"CA", "California", 6, "(37.638640123, -120.999999538)"},
	{"CO", "Colorado", 8, "(38.843840757, -106.133610921)"},
	{"CT", "Connecticut", 9, "(41.56266102, -72.649840952)"},
	{"DE", "Delaware", 10, "(39.008830667, -75.577741168)"},
	{"DC", "District of Columbia", 11, "(38.890371385, -77.031961127)"},
	{"FL", "Florida", 12, "(28.932040377, -81.928960539)"},
	{"GA", "Georgia", 13, "(32.839681093, -83.627580346)"},
	{"GU", guam, 66, "(13.444304, 144.793731)"},
	{"HI", "Hawaii", 15, "(21.304850435, -157.857749403)"},
	{"ID", "Idaho", 16, "(43.682630005, -114.363730042)"},
	{"IL", "Illinois", 17, "(40.485010283, -88.997710178)"},
	{"IN", "Indiana", 18, "(39.766910452, -86.149960194)"},
	{"IA", "Iowa", 19, "(42.469400913, -93.816490556)"},
	{"KS", "Kansas", 20, "(38.3477403, -98.200781227)"},
	{"KY", "Kentucky", 21, "(37.645970271, -84.774971048)"},
	{"LA", "Louisiana", 22, "(31.312660644, -92.445680071)"},
	{"ME", "Maine", 23, "(45.254228894001, -68.985031336)"},
	{"MD", "Maryland", 24, "(39.290580964, -76.609260111)"},
	{"MA", "Massachusetts", 25, "(42.27687047, -72.082690675)"},
	{"MI", "Michigan", 26, "(44.661319543001, -84.71439027)"},
	{"MN", "Minnesota", 27, "(46.355648736, -94.794200503)"},
	{"MS", "Mississippi", 28, "(32.745510099, -89.538030825)"},
	{"MO", "Missouri", 29, "(38.635790776, -92.566300053)"},
	{"MT", "Montana", 30, "(47.066528972, -109.424420645)"},
	{"US", national, 59, ""},
	{"NE", "Nebraska", 31, "(41.641040988001, -99.365720623)"},
	{"NV", "Nevada", 32, "(39.49324039, -117.071840564)"},
	{"NH", "New Hampshire", 33, "(43.655950113, -71.50036092)"},
	{"NJ", "New Jersey", 34, "(40.130570048, -74.273691288)"},
	{"NM", "New Mexico", 35, "(34.520880952, -106.240580985)"},
	{"NY", "New York", 36, "(42.827001032, -75.543970427)"},
	{"NC", "North Carolina", 37, "(35.466220975, -79.159250463)"},
	{"ND", "North Dakota", 38, "(47.475319779, -100.118421049)"},
	{"OH", "Ohio", 39, "(40.060210141, -82.404260056)"},
	{"OK", "Oklahoma", 40, "(35.472031356, -97.521070214)"},
	{"OR", "Oregon", 41, "(44.567449424, -120.155031326)"},
	{"PA", "Pennsylvania", 42, "(40.793730152, -77.860700294)"},
	{"PR", puertoRico, 72, "(18.220833, -66.590149)"},
	{"RI", "Rhode Island", 44, "(41.708280193, -71.522470314)"},
	{"SC", "South Carolina", 45, "(33.998821303, -81.045371207)"},
	{"SD", "South Dakota", 46, "(44.353130053, -100.373530637)"},
	{"TN", "Tennessee", 47, "(35.68094058, -85.774490914)"},
	{"TX", "Texas", 48, "(31.827240407, -99.426770206)"},
	{"UT", "Utah", 49, "(39.360700171, -111.587130635)"},
	{"VT", "Vermont", 50, "(43.625381239, -72.517640791)"},
	{"VI", virginIslands, 78, "(18.335765, -64.896335)"},
	{"VA", "Virginia", 51, "(37.542680674, -78.457890463)"},
	{"WA", "Washington", 53, "(47.522278629, -120.47001079)"},
	{"WV", "West Virginia", 54, "(38.665510202, -80.712640135)"},
	{"WI", "Wisconsin", 55, "(44.393191174, -89.816370742)"},
	{"WY", "Wyoming", 56, "(43.235541343, -108.109830353)"},
}

// stratum is a group of the people who were asked.
type stratum struct {
	category, categoryID, column, name, id string

	share int // of those asked, in thousandths
	need  int // in tenths of a percent: what being in it does to the answer
}

// race is the id of the category whose shares differ most from place to place.
const race = "RACE"

// A stratum's name is repeated in the column of its category.
var strata = []stratum{
	{"Total", "OVR", "Total", "Total", "OVERALL", 1000, 0},
	{"Gender", "GEN", "Gender", "Male", "MALE", 460, 6},
	{"Gender", "GEN", "Gender", "Female", "FEMALE", 540, -5},
	{"Age (years)", "AGEYR", "Age(years)", "18 - 24", "AGEYR1824", 60, -60},
	{"Age (years)", "AGEYR", "Age(years)", "25 - 34", "AGEYR2534", 110, -10},
	{"Age (years)", "AGEYR", "Age(years)", "35 - 44", "AGEYR3544", 130, 20},
	{"Age (years)", "AGEYR", "Age(years)", "45 - 54", "AGEYR4554", 160, 32},
	{"Age (years)", "AGEYR", "Age(years)", "55 - 64", "AGEYR5564", 200, 26},
	{"Age (years)", "AGEYR", "Age(years)", "65 or older", "AGEYR65PLUS", 340, -6},
	{"Education", "EDU", "Education", "Less than high school", "EDUHS", 80, 46},
	{"Education", "EDU", "Education", "High school graduate", "EDUHSGRAD", 270, 22},
	{"Education", "EDU", "Education", "Some college or technical school", "EDUCOTEC", 280, 6},
	{"Education", "EDU", "Education", "College graduate", "EDUCOGRAD", 370, -40},
	{"Income", "INC", "Income", "Less than $15,000", "INCLESS15", 90, 50},
	{"Income", "INC", "Income", "$15,000 - $24,999", "INC1525", 140, 34},
	{"Income", "INC", "Income", "$25,000 - $34,999", "INC2535", 90, 21},
	{"Income", "INC", "Income", "$35,000 - $49,999", "INC3550", 120, 11},
	{"Income", "INC", "Income", "$50,000 - $74,999", "INC5075", 140, -1},
	{"Income", "INC", "Income", "$75,000 or greater", "INC75PLUS", 280, -36},
	{"Income", "INC", "Income", "Data not reported", "INCNR", 140, 4},
	{"Race/Ethnicity", race, "Race/Ethnicity", "2 or more races", "RACE2PLUS", 17, 15},
	{"Race/Ethnicity", race, "Race/Ethnicity", "American Indian/Alaska Native", "RACENAA", 9, 56},
	{"Race/Ethnicity", race, "Race/Ethnicity", "Asian", "RACEASN", 9, -92},
	{"Race/Ethnicity", race, "Race/Ethnicity", "Hawaiian/Pacific Islander", "RACEHPI", 3, 62},
	{"Race/Ethnicity", race, "Race/Ethnicity", "Hispanic", "RACEHIS", 60, 21},
	{"Race/Ethnicity", race, "Race/Ethnicity", "Non-Hispanic Black", "RACEBLK", 60, 44},
	{"Race/Ethnicity", race, "Race/Ethnicity", "Non-Hispanic White", "RACEWHT", 800, -7},
	{"Race/Ethnicity", race, "Race/Ethnicity", "Other", "RACEOTH", 6, 5},
}
