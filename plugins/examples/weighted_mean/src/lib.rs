//! The mean of each location, weighted by how many were asked, with a 95 %
//! interval that follows from the published limits.

use lestats::*;

static QUESTION: StringColumn = StringColumn::new("question");
static LOCATION: StringColumn = StringColumn::new("location");
static VALUE: NumberColumn = NumberColumn::new("value");
static LOW: NumberColumn = NumberColumn::new("low");
static HIGH: NumberColumn = NumberColumn::new("high");
static SAMPLE_SIZE: IntegerColumn = IntegerColumn::new("sample_size");

static SURVEY: StringParam =
    StringParam { title: "Survey question", required: true, select: true, ..StringParam::new("question", &QUESTION) };

static STATE: CodeResult = CodeResult { title: "State", ..CodeResult::new(&LOCATION) };
static MEAN: NumberResult = NumberResult { title: "Weighted mean", unit_of: Some(&VALUE), shows: "estimate", ..NumberResult::new("mean") };
static MEAN_LOW: NumberResult = NumberResult { title: "95 % interval, low", unit_of: Some(&VALUE), shows: "low", ..NumberResult::new("low") };
static MEAN_HIGH: NumberResult = NumberResult { title: "95 % interval, high", unit_of: Some(&VALUE), shows: "high", ..NumberResult::new("high") };
static ASKED: IntegerResult = IntegerResult { title: "Sample size", unit_of: Some(&SAMPLE_SIZE), shows: "count", ..IntegerResult::new("sample_size") };

static PLUGIN: Plugin = Plugin {
    name: "weighted_mean",
    version: "1.0.0",
    title: "Weighted mean",
    license: "Apache-2.0",
    columns: &[&QUESTION, &LOCATION, &VALUE, &LOW, &HIGH, &SAMPLE_SIZE],
    questions: &[Question {
        name: "weighted_means",
        title: "Weighted mean of each state",
        description: "The mean of every state's values, weighted by sample size, with its 95 % interval if the samples are independent.",
        params: &[&SURVEY],
        result: Result { keys: &[&STATE], values: &[&MEAN, &MEAN_LOW, &MEAN_HIGH, &ASKED], layout: "map", chart: "map" },
        example: r#"{"question": "Percent of adults aged 18 years and older who have obesity"}"#,
        answer: weighted_means,
        ..Question::NEW
    }],
    ..Plugin::NEW
};
serve!(PLUGIN);

/// What the figures of a location add up to.
#[derive(Clone, Copy, Default)]
struct Sum {
    weights: i64,
    values: f64,
    /// Of the squares of weight times half the width of a row's interval. Errors
    /// of independent samples add up as squares, and a half-width is a fixed
    /// multiple of the standard error.
    squares: f64,
}

fn weighted_means(job: &mut Job) -> Answer {
    let (values, lows, highs) = (VALUE.values(job), LOW.values(job), HIGH.values(job));
    let (weights, locations) = (SAMPLE_SIZE.values(job), LOCATION.codes(job));
    let mut sums = vec![Sum::default(); LOCATION.count(job)];
    for row in job.rows(&[&VALUE, &LOW, &HIGH, &SAMPLE_SIZE, &LOCATION]) {
        if weights[row] <= 0 {
            continue;
        }
        let (sum, weight) = (&mut sums[locations[row] as usize], weights[row] as f64);
        sum.weights += weights[row];
        sum.values += weight * values[row];
        let half = weight * (highs[row] - lows[row]) / 2.0;
        sum.squares += half * half;
    }
    for (code, sum) in sums.iter().enumerate().filter(|(_, sum)| sum.weights > 0) {
        let weights = sum.weights as f64;
        let (mean, half) = (sum.values / weights, sum.squares.sqrt() / weights);
        STATE.column(job).append(code as i32);
        MEAN.column(job).append(mean);
        MEAN_LOW.column(job).append(mean - half);
        MEAN_HIGH.column(job).append(mean + half);
        ASKED.column(job).append(sum.weights);
    }
    Ok(())
}
