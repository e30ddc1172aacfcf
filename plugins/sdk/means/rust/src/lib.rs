//! The mean of each location: see ../../README.md.

use lestats::*;

static QUESTION: StringColumn = StringColumn::new("question");
static LOCATION: StringColumn = StringColumn::new("location");
static VALUE: NumberColumn = NumberColumn::new("value");
static SURVEY: StringParam = StringParam { required: true, select: true, ..StringParam::new("question", &QUESTION) };
static STATE: CodeResult = CodeResult::new(&LOCATION);
static MEAN: NumberResult = NumberResult { unit_of: Some(&VALUE), ..NumberResult::new("mean") };

static PLUGIN: Plugin = Plugin {
    name: "means_rust",
    version: "1.0.0",
    columns: &[&QUESTION, &LOCATION, &VALUE],
    questions: &[Question {
        name: "means_rust",
        title: "Mean of each state",
        params: &[&SURVEY],
        result: Result { keys: &[&STATE], values: &[&MEAN], layout: "map", chart: "none" },
        answer: means,
        ..Question::NEW
    }],
    ..Plugin::NEW
};
serve!(PLUGIN);

fn means(job: &mut Job) -> Answer {
    let (values, locations) = (VALUE.values(job), LOCATION.codes(job));
    let mut sums = vec![(0f64, 0u32); LOCATION.count(job)];
    for row in job.rows(&[&VALUE, &LOCATION]) {
        let sum = &mut sums[locations[row] as usize];
        sum.0 += values[row];
        sum.1 += 1;
    }
    for (code, (sum, n)) in sums.iter().enumerate().filter(|(_, (_, n))| *n > 0) {
        STATE.column(job).append(code as i32);
        MEAN.column(job).append(sum / *n as f64);
    }
    Ok(())
}
