//! interval uses statrs: the mean of each state with its 95 % interval by Student's t.

use lestats::*;
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::statistics::Statistics;

static LOCATION: StringColumn = StringColumn::new("location");
static VALUE: NumberColumn = NumberColumn::new("value");

static STATE: CodeResult = CodeResult::new(&LOCATION);
static MEAN: NumberResult = NumberResult { unit_of: Some(&VALUE), ..NumberResult::new("mean") };
static LOW: NumberResult = NumberResult { unit_of: Some(&VALUE), ..NumberResult::new("low") };
static HIGH: NumberResult = NumberResult { unit_of: Some(&VALUE), ..NumberResult::new("high") };

// getrandom has no source of randomness on this target; statrs needs one to compile, not to run.
getrandom::register_custom_getrandom!(no_random_numbers);
fn no_random_numbers(_: &mut [u8]) -> core::result::Result<(), getrandom::Error> {
    Err(getrandom::Error::UNSUPPORTED)
}

fn answer(job: &mut Job) -> Answer {
    let (values, codes) = (VALUE.values(job), LOCATION.codes(job));
    let mut by_state: Vec<Vec<f64>> = vec![Vec::new(); LOCATION.count(job)];
    for row in job.rows(&[&VALUE, &LOCATION]) {
        by_state[codes[row] as usize].push(values[row]);
    }
    for (code, v) in by_state.iter().enumerate().filter(|(_, v)| v.len() > 1) {
        let n = v.len() as f64;
        let t = StudentsT::new(0.0, 1.0, n - 1.0).map_err(|e| failed(e.to_string()))?.inverse_cdf(0.975);
        let (mean, half) = (v.iter().mean(), t * v.iter().std_dev() / n.sqrt());
        STATE.column(job).append(code as i32);
        MEAN.column(job).append(mean);
        LOW.column(job).append(mean - half);
        HIGH.column(job).append(mean + half);
    }
    Ok(())
}

static PLUGIN: Plugin = Plugin {
    name: "library",
    version: "1.0.0",
    columns: &[&LOCATION, &VALUE],
    questions: &[Question {
        name: "library",
        result: Result { keys: &[&STATE], values: &[&MEAN, &LOW, &HIGH], layout: "map", ..Result::NEW },
        answer,
        ..Question::NEW
    }],
    ..Plugin::NEW
};
serve!(PLUGIN);
