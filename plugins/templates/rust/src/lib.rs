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
        title: "Spread of each state's values",
        params: &[&SURVEY, &LEAST],
        result: Result { keys: &[&STATE], values: &[&SPREAD], layout: "map", chart: "bar" },
        // What the server's pages, plugin check and plugin run ask with.
        example: r#"{"question": "Percent of adults aged 18 years and older who have obesity", "least": 24}"#,
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

// The same code runs natively, in a test, where a debugger works: cargo test
#[cfg(test)]
mod tests {
    use super::PLUGIN;
    use lestats::testing::*;

    #[test]
    fn spread() {
        let dataset = [
            strings("question", &["obesity", "obesity", "obesity", "obesity", "smoking"]),
            strings("location", &["Ohio", "Utah", "Ohio", "Utah", "Utah"]),
            numbers("value", &[30.0, 20.0, 34.5, f64::NAN, 90.0]),
        ];
        let mut session = Session::open(&PLUGIN, &dataset).unwrap();
        let answer = session.ask("my_plugin", &[("question", Text("obesity")), ("least", Number(1.0))]).unwrap();
        assert_eq!((answer.rows, answer.text("location", 0), answer.number("spread", 0)), (1, Some("Ohio"), Some(4.5)));
        let answer = session.ask("my_plugin", &[("question", Text("obesity"))]).unwrap(); // and the default of least
        assert_eq!(answer.rows, 2);
    }
}
