//! my_plugin is a plugin for Le Stats Sportifs: see README.md.

use lestats::*;

// The columns that it reads.
static QUESTION: StringColumn = StringColumn::new("question");
static LOCATION: StringColumn = StringColumn::new("location");
static VALUE: NumberColumn = NumberColumn::new("value");

// Its parameters, and the columns of its result.
static SURVEY: StringParam =
    StringParam { title: "Survey question", required: true, select: true, ..StringParam::new("question", &QUESTION) };
static LEAST: NumberParam =
    NumberParam { title: "Least spread", min: Some(0.0), default: Some(0.0), ..NumberParam::new("least") };

static STATE: CodeResult = CodeResult { title: "State", ..CodeResult::new(&LOCATION) };
static SPREAD: NumberResult =
    NumberResult { title: "Highest minus lowest value", unit_of: Some(&VALUE), ..NumberResult::new("spread") };

static PLUGIN: Plugin = Plugin {
    name: "my_plugin",
    version: "1.0.0",
    columns: &[&QUESTION, &LOCATION, &VALUE],
    questions: &[Question {
        name: "my_plugin",
        title: "How far the values of each state lie apart",
        params: &[&SURVEY, &LEAST],
        result: Result { keys: &[&STATE], values: &[&SPREAD], layout: "map", chart: "bar" },
        answer,
        ..Question::NEW
    }],
    ..Plugin::NEW
};
serve!(PLUGIN);

fn answer(job: &mut Job) -> Answer {
    let (values, locations) = (VALUE.values(job), LOCATION.codes(job));
    let mut states: Vec<Option<(f64, f64)>> = vec![None; LOCATION.count(job)];
    // The selected rows that have a value and a location.
    for row in job.rows(&[&VALUE, &LOCATION]) {
        let v = values[row];
        let (low, high) = states[locations[row] as usize].get_or_insert((v, v));
        *low = low.min(v);
        *high = high.max(v);
    }
    let above = LEAST.get(job).unwrap_or(0.0);
    for (code, extremes) in states.iter().enumerate() {
        if let Some((low, high)) = extremes {
            if high - low >= above {
                STATE.column(job).append(code as i32);
                SPREAD.column(job).append(high - low);
            }
        }
    }
    Ok(())
}
